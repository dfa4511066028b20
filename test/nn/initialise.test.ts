import { expect } from 'chai';
import { OcrnetError } from '../../lib/errors.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { type Graph, type Parameter, storedParameters } from '../../lib/ir/graph.js';
import { fanInUniform, type Initializer } from '../../lib/ir/initializer.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { philox4x32 } from '../../lib/nn/philox.js';

const graphOf = (...parameters: [name: string, size: number, initializer: Initializer][]) => {
  const builder = new GraphBuilder();
  for (const [name, size, initializer] of parameters)
    builder.parameter(name, [size], { kind: 'stored', fileLayout: 'plain', initializer, trainable: true });
  return builder.build();
};

/** One parameter of that graph, started. */
const start = (graph: Graph, seed: number, name: string): Float32Array =>
  initialiser(seed)(storedParameters(graph).find((parameter) => parameter.name === name) as Parameter);

const normal: Initializer = { kind: 'normal', standardDeviation: 2 };

describe('philox4x32', () => {
  // The known answers that Random123 publishes for philox4x32 with 10 rounds.
  for (const { counter, key, words } of [
    { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)
    it(`gives the published words for the key ${key.map((word) => word.toString(16)).join(' ')}`, () => {
      expect(philox4x32(counter, key)).to.deep.equal(words);
    });
});

describe('initialiser', () => {
  it('depends on the seed and the name alone, not on order or company', () => {
    const alone = start(graphOf(['b', 10, normal]), 7, 'b');
    const together = graphOf(['a', 3, normal], ['b', 10, normal]);
    expect(start(together, 7, 'b')).to.deep.equal(alone);
    expect(start(together, 7, 'a')).to.not.deep.equal(alone.slice(0, 3));
    expect(start(graphOf(['b', 10, normal]), 8, 'b')).to.not.deep.equal(alone);
    expect(start(graphOf(['b', 10, normal]), 7 + 2 ** 40, 'b')).to.not.deep.equal(alone);
  });

  it('does not change a number when the parameter grows', () => {
    const short = start(graphOf(['w', 5, normal]), 1, 'w');
    const long = start(graphOf(['w', 64, normal]), 1, 'w');
    expect(long.slice(0, 5)).to.deep.equal(short);
  });

  it('draws normal numbers with the wanted moments and tails', () => {
    const values = start(graphOf(['w', 200_000, normal]), 3, 'w');
    const moment = (power: number) =>
      values.reduce((sum, value) => sum + (value / 2) ** power, 0) / values.length;
    expect(moment(1)).to.be.closeTo(0, 0.01);
    expect(moment(2)).to.be.closeTo(1, 0.015);
    expect(moment(4)).to.be.closeTo(3, 0.12);
    expect(values.filter((value) => Math.abs(value) > 4).length / values.length).to.be.closeTo(0.0455, 0.003);
  });

  it('draws uniform numbers inside their bounds', () => {
    const values = start(graphOf(['w', 100_000, fanInUniform(4)]), 3, 'w');
    expect(Math.max(...values.slice(0, 50_000))).to.be.within(0.499, 0.5);
    expect(Math.min(...values.slice(0, 50_000))).to.be.within(-0.5, -0.499);
    expect(values.reduce((sum, value) => sum + value ** 2, 0) / values.length).to.be.closeTo(1 / 12, 0.001);
  });

  it('keeps its numbers across versions', () => {
    const values = start(graphOf(['w', 5, normal]), 42, 'w');
    const bits = [...new Uint32Array(values.buffer)].map((word) => word.toString(16));
    expect(bits).to.deep.equal(['bf440a97', 'be14092c', '404461c8', 'bf7d920a', 'bf78c1d9']);
  });

  it('refuses a seed that is not a whole number', () => {
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 60])
      expect(() => initialiser(seed), `${seed}`).to.throw(OcrnetError, 'Invalid seed');
  });
});

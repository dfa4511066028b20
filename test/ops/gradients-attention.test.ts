import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Value } from '../../lib/ir/graph.js';
import { type AnyOpSpec, erase } from '../../lib/ir/op.js';
import { attendCrissCross, attendPixels } from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { relativeError } from '../support/compare.js';
import { checkGradient } from '../support/gradient-check.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import { runReference } from '../support/reference-graph.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';

/** The gradients reach the inputs through y alone: logSumExp is theirs. */
const differentiated = ['y'];

describe('attention over pixels', () => {
  let devices: Device[];
  before(async () => {
    devices = [await openDevice({ threads: 1 }), await openDevice({ threads: 3 })];
  });
  after(async () => {
    await Promise.all(devices.map((device) => device.dispose()));
  });

  const next = randomNumbers(11);
  const random = (...shape: number[]) => randomTensor(shape, next);
  type Shape = readonly [number, number, number];
  const operands = ([n, h, w]: Shape, depth: number, channels: number, [, kh, kw]: Shape = [n, h, w]) => ({
    query: random(n, h, w, depth),
    key: random(n, kh, kw, depth),
    value: random(n, kh, kw, channels),
  });

  const graphOf = (spec: AnyOpSpec, inputs: Readonly<Record<string, ReferenceTensor>>, scale: number) => {
    const graph = new GraphBuilder(spec.name);
    const values = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape }]) => [
        name,
        graph.input(name, { dataType: 'float32', shape }),
      ]),
    );
    const outputs = graph.add(spec, values, { scale }) as Readonly<Record<string, Value>>;
    for (const [name, value] of Object.entries(outputs)) graph.output(name, value);
    return graph.build();
  };

  for (const [what, spec, inputs, scale] of [
    ['of one pixel', attendPixels, operands([1, 1, 1], 3, 5), 1],
    ['over a batch', attendPixels, operands([2, 5, 7], 13, 19), 0.3],
    ['over a map of another size', attendPixels, operands([2, 3, 5], 8, 16, [2, 9, 4]), 1],
    ['of one row', attendCrissCross, operands([2, 1, 7], 5, 16), 1],
    ['of one column', attendCrissCross, operands([1, 9, 1], 3, 5), 0.5],
    ['over a batch', attendCrissCross, operands([2, 5, 7], 13, 19), 0.3],
  ] as const)
    it(`${spec.name} ${what}: central differences, and the device`, async () => {
      const attributes = { scale };
      await checkGradient(devices[1] as Device, { spec: erase(spec), inputs, attributes, differentiated });
    });

  for (const [spec, shape, depth, channels] of [
    [attendPixels, [2, 17, 19], 64, 48],
    [attendCrissCross, [1, 131, 67], 24, 33],
  ] as const)
    it(`${spec.name} over several blocks, with the same bits on one thread and on three`, async () => {
      const inputs = operands(shape, depth, channels);
      const graph = graphOf(erase(spec), inputs, 0.5);
      const expected = runReference(graph, inputs);
      const [one, three] = await Promise.all(
        devices.map(async (device) => {
          const program = await device.load(
            device.compile(graph, { precision: 'float32' }),
            device.createWeights(),
          );
          const data = Object.entries(inputs).map(([name, tensor]) => [name, Float32Array.from(tensor.data)]);
          const { outputs } = await program.run(Object.fromEntries(data));
          program.dispose();
          return outputs as Readonly<Record<string, Float32Array>>;
        }),
      );
      for (const name of ['y', 'logSumExp']) {
        const reference = expected[name] as ReferenceTensor;
        expect(relativeError(one?.[name] as Float32Array, reference.data), name).to.be.below(1e-5);
        expect(three?.[name]).to.deep.equal(one?.[name]);
      }
    });

  it('holds where scores are extreme', async () => {
    for (const spec of [attendPixels, attendCrissCross].map(erase)) {
      const inputs = operands([1, 6, 11], 4, 9);
      const graph = graphOf(spec, inputs, 1e4);
      const [device] = devices as [Device];
      const program = await device.load(
        device.compile(graph, { precision: 'float32' }),
        device.createWeights(),
      );
      const data = Object.entries(inputs).map(([name, tensor]) => [name, Float32Array.from(tensor.data)]);
      const { y } = (await program.run(Object.fromEntries(data))).outputs;
      program.dispose();
      const reference = runReference(graph, inputs).y as ReferenceTensor;
      expect(relativeError(y as Float32Array, reference.data), spec.name).to.be.below(1e-3);
    }
  });
});

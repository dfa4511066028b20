import { expect } from 'chai';
import { compile, lower } from '../../lib/compile/compile.js';
import { abstractTarget } from '../../lib/compile/target.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { flopsOf, type Graph } from '../../lib/ir/graph.js';
import { pixelClassifier } from '../../lib/nn/layers.js';
import { algebraGraphs, randomValues } from '../support/algebra-graphs.js';
import { relativeError } from '../support/compare.js';
import { runReference } from '../support/reference-graph.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';

const graphs = algebraGraphs();
const named = (start: string): Graph => {
  const found = graphs.find(({ name }) => name.startsWith(start));
  if (!found) throw new Error(`no graph is called ${start}`);
  return found.graph;
};
const operations = (graph: Graph) => graph.nodes.map(({ spec }) => spec.name);
const flops = (graph: Graph) => graph.nodes.reduce((sum, node) => sum + flopsOf(node), 0);

describe('algebra', () => {
  for (const { name, graph } of graphs)
    it(`changes nothing in ${name}`, () => {
      const run = (lowered: Graph) =>
        (runReference(lowered, randomValues(graph, lowered)).y as ReferenceTensor).data;
      const [plain, better] = [false, true].map((algebra) => lower(graph, 'float32', { algebra }));
      const hasProducts = better?.parameters.some((parameter) => parameter.name.includes('·'));
      // Products of filters are rounded to float32.
      const tolerance = hasProducts ? 1e-7 : 1e-13;
      expect(relativeError(run(better as Graph), run(plain as Graph))).to.be.below(tolerance);
    });

  it('makes the products of pooled maps at their own size', () => {
    const [plain, better] = [false, true].map((algebra) => lower(named('pyramid'), 'float32', { algebra }));
    expect(operations(better as Graph)).to.not.include.members(['concat', 'resizeBilinear']);
    expect(operations(better as Graph).filter((name) => name === 'resizeTaps')).to.have.length(1);
    expect(flops(better as Graph)).to.be.below(0.5 * flops(plain as Graph));
  });

  it('cuts off taps that are in the padding everywhere', () => {
    const sizes = (start: string) =>
      lower(named(start), 'float32').nodes.flatMap(({ path, inputs, attributes }) => {
        const kernel = inputs.filter?.type.shape[1];
        return path.startsWith('d') ? [[path, kernel, attributes.padding, attributes.dilation]] : [];
      });
    expect(sizes('dilatedPyramid at 2×9×11')).to.deep.equal([
      ['d3.0', 3, 3, 3],
      ['d12.0', 1, 0, 1],
      ['d24.0', 1, 0, 1],
    ]);
    expect(sizes('dilatedPyramid at 2×13×19')).to.deep.include(['d12.0', 3, 12, 12]);
  });

  it('convolves by itself what could only be copied', () => {
    const lowered = lower(named('copies'), 'float32');
    expect(operations(lowered)).to.deep.equal(['conv2d', 'conv2d', 'conv2d']);
    expect(lowered.nodes[2]?.inputs.residual).to.equal(lowered.nodes[1]?.outputs.y);
  });

  it('keeps the weights of convolutions that stay, and slices of the others', () => {
    const { parameters } = lower(named('copies'), 'float32');
    expect(parameters.map(({ name }) => name)).to.have.members([
      'inner.0.weight*inner.1',
      'inner.0.weight*inner.1.shift',
      'last.0.weight*last.1[0:96]',
      'last.0.weight*last.1[96:136]',
      'last.0.weight*last.1.shift',
    ]);
  });

  it('leaves a map that is resized to twice its size beside a 3×3 filter alone, and splits off smaller ones', () => {
    const { nodes } = lower(named('branches'), 'float32');
    const taps = (path: string) =>
      nodes.find((node) => node.path === path && node.spec.name === 'resizeTaps')?.inputs ?? {};
    expect(Object.values(taps('pixels.0')).filter(({ type }) => type.shape[1] !== 16)).to.have.length(2);
    expect(Object.values(taps('aux.0')).filter(({ type }) => type.shape[1] !== 16)).to.have.length(3);
  });

  it('splits a concat within a concat', () => {
    const lowered = lower(named('nested'), 'float32');
    expect(operations(lowered)).to.not.include.members(['concat', 'resizeBilinear']);
    expect(operations(lowered).filter((name) => name === 'resizeTaps')).to.have.length(2);
  });

  it('makes one of linear maps in a row', () => {
    const { nodes, parameters } = lower(named('linearParts'), 'float32');
    const filters = nodes.map(({ inputs }) => inputs.filter?.type.shape.join('×'));
    expect(filters).to.deep.equal(['48×3×3×32', '16×1×1×48', '40×1×1×48', '40×1×1×16']);
    const { name } = parameters.find(({ value }) => value === nodes.at(-1)?.inputs.filter) as {
      name: string;
    };
    expect(name).to.equal('last.0.weight*last.1[0:48]·wide.weight·less.weight');
  });

  it('leaves linear maps alone that lead through few channels', () => {
    const g = new GraphBuilder();
    const x = g.input('x', { dataType: 'float32', shape: [1, 4, 4, 64] });
    g.output('y', pixelClassifier(g.at('up'), pixelClassifier(g.at('down'), x, 8), 64));
    expect(operations(lower(g.build(), 'float32'))).to.deep.equal(['conv2d', 'conv2d']);
  });

  it('moves the filter of what is distributed to the vectors', () => {
    const lowered = lower(named('distributed'), 'float32');
    const mixed = lowered.nodes.find(({ spec }) => spec.name === 'distributeRegions');
    expect(mixed?.outputs.y?.type.shape.at(-1)).to.equal(40);
    expect(lowered.nodes.at(-1)?.inputs.residual).to.equal(mixed?.outputs.y);
  });

  it('plans smaller arenas', () => {
    for (const start of ['pyramid', 'copies', 'dilatedPyramid', 'linearParts', 'distributed']) {
      const [plain = 0, better = 0] = [false, true].map(
        (algebra) =>
          compile(named(start), { target: abstractTarget, precision: 'float32', algebra }).arenaBytes,
      );
      expect(better, start).to.be.below(0.8 * plain);
    }
  });
});

import { expect } from 'chai';
import { compile, lower } from '../../lib/compile/compile.js';
import { abstractTarget } from '../../lib/compile/target.js';
import { flopsOf, type Graph } from '../../lib/ir/graph.js';
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
      const run = (algebra: boolean) => {
        const lowered = lower(graph, 'float32', { algebra });
        return (runReference(lowered, randomValues(graph, lowered)).y as ReferenceTensor).data;
      };
      expect(relativeError(run(true), run(false))).to.be.below(1e-13);
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

  it('plans smaller arenas', () => {
    for (const start of ['pyramid', 'copies']) {
      const [plain = 0, better = 0] = [false, true].map(
        (algebra) =>
          compile(named(start), { target: abstractTarget, precision: 'float32', algebra }).arenaBytes,
      );
      expect(better, start).to.be.below(0.8 * plain);
    }
  });
});

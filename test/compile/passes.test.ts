import { expect } from 'chai';
import { compile, lower } from '../../lib/compile/compile.js';
import { abstractTarget } from '../../lib/compile/target.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Value } from '../../lib/ir/graph.js';
import { constant } from '../../lib/ir/initializer.js';
import { printGraph } from '../../lib/ir/print.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import {
  activate,
  add,
  attendRegions,
  batchNorm,
  concat,
  conv2d,
  distributeRegions,
  resizeBilinear,
  scaleBy,
  sliceChannels,
  softmax,
  spatialSoftmax,
} from '../../lib/ops/index.js';

const plain = { kind: 'stored', fileLayout: 'plain', initializer: constant(1), trainable: true } as const;
const convolution = {
  stride: 1,
  padding: 0,
  dilation: 1,
  groups: 1,
  outputType: 'same',
  ...noActivation,
} as const;

function input(g: GraphBuilder, name: string, shape: readonly number[]): Value {
  return g.input(name, { dataType: 'float32', shape });
}

function conv(g: GraphBuilder, x: Value, outputs: number): Value {
  const filter = g.parameter('weight', [outputs, 1, 1, x.type.shape[3] as number], {
    ...plain,
    fileLayout: 'filter',
  });
  return g.add(conv2d, { x, filter }, convolution).y;
}

function norm(g: GraphBuilder, x: Value): Value {
  const [weight, bias, runningMean, runningVariance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (name) => g.parameter(name, [x.type.shape[3] as number], plain),
  ) as [Value, Value, Value, Value];
  return g.add(batchNorm, { x, weight, bias, runningMean, runningVariance }, { epsilon: 1e-5 }).y;
}

const relu = (g: GraphBuilder, x: Value): Value =>
  g.add(activate, { x }, { activation: 'relu', negativeSlope: 0 }).y;
const names = (graph: Graph) => graph.nodes.map(({ spec }) => spec.name);

describe('inference passes', () => {
  it('make one step of convolution, batch norm, residual and ReLU', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', [2, 5, 7, 8]);
    const y = norm(g.at('bn'), conv(g.at('conv'), x, 8));
    g.output('y', relu(g.at('relu'), g.at('add').add(add, { a: y, b: x }, noActivation).y));
    const lowered = lower(g.build(), 'float32');
    expect(names(lowered)).to.deep.equal(['conv2d']);
    const [node] = lowered.nodes;
    expect(node?.inputs.residual).to.equal(x);
    expect(node?.attributes.activation).to.equal('relu');
    expect(lowered.parameters.map(({ source }) => source.kind)).to.deep.equal(['derived', 'derived']);
  });

  it('compute the folded filter and bias', () => {
    const g = new GraphBuilder();
    g.output('y', norm(g.at('bn'), conv(g.at('conv'), input(g, 'x', [1, 3, 3, 1]), 2)));
    const [filter, bias] = lower(g.build(), 'float32').parameters;
    const [weight, beta, mean, variance] = [
      [3, 4],
      [10, 20],
      [5, 6],
      [4 - 1e-5, 16 - 1e-5],
    ].map((v) => Float32Array.from(v));
    if (filter?.source.kind !== 'derived' || bias?.source.kind !== 'derived') throw new Error('not derived');
    const norms = [weight, beta, mean, variance] as Float32Array[];
    expect([...filter.source.compute([Float32Array.of(2, 8), ...norms])]).to.deep.equal([3, 8]);
    expect([...bias.source.compute(norms)]).to.deep.equal([10 - 7.5, 20 - 6]);
  });

  it('fold a learned scalar into the filter and bias of the convolution before it', () => {
    const g = new GraphBuilder();
    const bias = g.parameter('bias', [2], plain);
    const filter = g.parameter('weight', [2, 1, 1, 1], { ...plain, fileLayout: 'filter' });
    const { y } = g.add(conv2d, { x: input(g, 'x', [1, 3, 3, 1]), filter, bias }, convolution);
    g.output('y', g.at('gamma').add(scaleBy, { x: y, factor: g.parameter('gamma', [1], plain) }, {}).y);
    const lowered = lower(g.build(), 'float32');
    expect(names(lowered)).to.deep.equal(['conv2d']);
    const computed = lowered.parameters.map(({ source }) => {
      if (source.kind !== 'derived') throw new Error('not derived');
      return [...source.compute([Float32Array.of(2, 8), Float32Array.of(3)])];
    });
    expect(computed).to.deep.equal([
      [6, 24],
      [6, 24],
    ]);
  });

  it('keep a learned scalar that no convolution can take', () => {
    const g = new GraphBuilder();
    const x = relu(g.at('relu'), conv(g.at('conv'), input(g, 'x', [1, 3, 3, 1]), 2));
    g.output('y', g.at('gamma').add(scaleBy, { x, factor: g.parameter('gamma', [1], plain) }, {}).y);
    expect(names(lower(g.build(), 'bfloat16'))).to.include('scaleBy');
  });

  it('leave no addition in a sum of convolutions and something else', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', [1, 4, 4, 8]);
    const [a, b] = [conv(g.at('a'), x, 8), conv(g.at('b'), x, 8)];
    const inner = g.at('inner').add(add, { a, b }, noActivation).y;
    const outer = g.at('outer').add(add, { a: inner, b: x }, noActivation).y;
    g.output('y', relu(g.at('relu'), outer));
    const lowered = lower(g.build(), 'float32');
    expect(names(lowered)).to.deep.equal(['conv2d', 'conv2d']);
    expect(lowered.nodes[0]?.inputs.residual).to.equal(x);
    expect(lowered.nodes[1]?.inputs.residual).to.equal(lowered.nodes[0]?.outputs.y);
    expect(lowered.nodes.map(({ attributes }) => attributes.activation)).to.deep.equal(['none', 'relu']);
  });

  it('keep an activation that comes before a sum out of the residual form', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', [1, 4, 4, 8]);
    const y = relu(g.at('relu'), conv(g.at('conv'), x, 8));
    g.output('y', g.at('add').add(add, { a: y, b: x }, noActivation).y);
    expect(names(lower(g.build(), 'float32'))).to.deep.equal(['conv2d', 'add']);
  });

  it('do not fuse what somebody else reads', () => {
    const g = new GraphBuilder();
    const y = conv(g.at('conv'), input(g, 'x', [1, 4, 4, 8]), 8);
    g.output('before', y);
    g.output('after', relu(g.at('relu'), y));
    expect(names(lower(g.build(), 'float32'))).to.deep.equal(['conv2d', 'activate']);
  });

  it('turn a batch norm without a convolution into a scaleShift', () => {
    const g = new GraphBuilder();
    g.output('y', relu(g.at('relu'), norm(g.at('bn'), input(g, 'x', [1, 4, 4, 8]))));
    const lowered = lower(g.build(), 'float32');
    expect(names(lowered)).to.deep.equal(['scaleShift']);
    expect(lowered.nodes[0]?.attributes.activation).to.equal('relu');
  });

  it('move a projection of attention results to the regions', () => {
    const g = new GraphBuilder();
    const query = input(g, 'query', [1, 9, 9, 4]);
    const key = input(g, 'key', [1, 3, 1, 4]);
    const value = input(g, 'value', [1, 3, 1, 6]);
    const context = g.at('attend').add(attendRegions, { query, key, value }, { scale: 1, ...noActivation }).y;
    g.output('y', relu(g.at('relu'), norm(g.at('bn'), conv(g.at('up'), context, 16))));
    const lowered = lower(g.build(), 'float32');
    expect(names(lowered)).to.deep.equal(['conv2d', 'attendRegions']);
    expect(lowered.nodes[0]?.inputs.x).to.equal(value);
    expect(lowered.nodes[0]?.attributes.activation).to.equal('none');
    expect(lowered.nodes[1]?.attributes.activation).to.equal('relu');
  });

  it('move a projection of distributed regions to the regions, where what distributes them sums to one', () => {
    const lowered = (relationOf: (g: GraphBuilder, scores: Value) => Value) => {
      const g = new GraphBuilder();
      const regions = relationOf(g, input(g, 'scores', [1, 9, 9, 3]));
      const vectors = input(g, 'vectors', [1, 3, 1, 6]);
      const mixed = g.at('mix').add(distributeRegions, { regions, vectors }, {}).y;
      g.output('y', relu(g.at('relu'), norm(g.at('bn'), conv(g.at('up'), mixed, 16))));
      return names(lower(g.build(), 'float32'));
    };
    const softmaxed = (g: GraphBuilder, x: Value) => g.at('softmax').add(softmax, { x }, { scale: 1 }).y;
    expect(lowered(softmaxed)).to.deep.equal(['softmax', 'conv2d', 'distributeRegions', 'activate']);
    expect(lowered((_g, x) => x)).to.deep.equal(['distributeRegions', 'conv2d']);
  });

  it('move a node up to where its input is done with, where that needs less memory', () => {
    const build = (channels: number) => {
      const g = new GraphBuilder();
      const pixels = relu(g.at('pixels'), input(g, 'x', [1, 4, 4, 64]));
      const narrow = conv(g.at('narrow'), pixels, 8);
      const wide = relu(g.at('relu'), conv(g.at('wide'), narrow, 64));
      const summary = conv(g.at('summary'), wide, 8);
      const late = conv(g.at('late'), pixels, channels);
      g.output('y', g.at('both').add(concat, { a: summary, b: late }, {}).y);
      const { nodes } = lower(g.build(), 'float32');
      return nodes.map(({ path }) => path).slice(0, -1);
    };
    expect(build(32)).to.deep.equal(['pixels', 'narrow', 'late', 'wide', 'summary']);
    expect(build(256)).to.deep.equal(['pixels', 'narrow', 'wide', 'summary', 'late']);
  });

  it('drop what no output needs', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', [1, 4, 4, 8]);
    conv(g.at('unused'), x, 8);
    g.output('y', relu(g.at('relu'), x));
    const lowered = lower(g.build(), 'float32');
    expect(names(lowered)).to.deep.equal(['activate']);
    expect(lowered.parameters).to.have.length(0);
  });

  it('keep class scores and outputs in float32 when the rest is bfloat16', () => {
    const g = new GraphBuilder();
    const features = conv(g.at('features'), input(g, 'x', [1, 4, 4, 8]), 8);
    const logits = conv(g.at('head'), features, 5);
    g.output('regions', g.at('softmax').add(spatialSoftmax, { logits }, { scale: 1 }).regions);
    g.output('features', relu(g.at('relu'), features));
    const lowered = lower(g.build(), 'bfloat16');
    expect(printGraph(lowered)).to.equal(
      [
        'input %x : float32[1×4×4×8]',
        '%0 : bfloat16[1×4×4×8] = cast(x=%x) {outputType=bfloat16}  # features.cast',
        '%1 : bfloat16[1×4×4×8] = conv2d(x=%0, filter=@features.weight) {stride=1, padding=0, dilation=1, groups=1, outputType=same, activation=none, negativeSlope=0}  # features',
        '%2 : float32[1×4×4×5] = conv2d(x=%1, filter=@head.weight) {stride=1, padding=0, dilation=1, groups=1, outputType=float32, activation=none, negativeSlope=0}  # head',
        '%3 : float32[1×4×4×5] = spatialSoftmax(logits=%2) {scale=1}  # softmax',
        '%4 : bfloat16[1×4×4×8] = activate(x=%1) {activation=relu, negativeSlope=0}  # relu',
        '%5 : float32[1×4×4×8] = cast(x=%4) {outputType=float32}  # relu.cast',
        'output regions = %3',
        'output features = %5',
      ].join('\n'),
    );
  });
});

describe('precision', () => {
  it('keeps all terms of a sum exact that gives class scores', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', [1, 4, 4, 8]);
    const [a, b] = [conv(g.at('a'), x, 5), conv(g.at('b'), x, 5)];
    const logits = g.at('sum').add(add, { a, b }, noActivation).y;
    g.output('regions', g.at('softmax').add(spatialSoftmax, { logits }, { scale: 1 }).regions);
    const { nodes } = lower(g.build(), 'bfloat16');
    const types = nodes.map(({ spec, outputs }) => `${spec.name} ${outputs.y?.type.dataType}`);
    expect(types.slice(0, 3)).to.deep.equal(['cast bfloat16', 'conv2d float32', 'conv2d float32']);
    expect(names({ ...g.build(), nodes })).to.not.include('add');
  });
});

describe('planning', () => {
  /** With concats as they are. */
  const plainly = { target: abstractTarget, precision: 'float32', algebra: false } as const;

  it('writes the parts of a concat in place and drops the step', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', [1, 4, 4, 8]);
    const a = relu(g.at('a'), x);
    const b = g
      .at('b')
      .add(resizeBilinear, { x }, { height: 4, width: 4, alignCorners: true, ...noActivation }).y;
    const both = g.at('both').add(concat, { a, b }, {}).y;
    g.output('y', conv(g.at('conv'), both, 3));
    const { layout } = compile(g.build(), plainly);
    expect(layout.steps.map(({ spec }) => spec.name)).to.deep.equal(['activate', 'resizeBilinear', 'conv2d']);
    const [first, second, third] = layout.steps.map(({ outputs }) => layout.tensors[outputs[0] as number]);
    expect([first?.pixelStride, second?.pixelStride]).to.deep.equal([16, 16]);
    expect((second?.offset as number) - (first?.offset as number)).to.equal(32);
    expect(third?.storage).to.equal('output');
    expect(layout.arenaBytes).to.equal(4 * 4 * 16 * 4);
  });

  it('copies a part that is also a graph output', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', [1, 4, 4, 8]);
    const a = relu(g.at('a'), x);
    g.output('a', a);
    const both = g.at('both').add(concat, { a, b: relu(g.at('b'), x) }, {}).y;
    g.output('y', conv(g.at('conv'), both, 3));
    const { layout } = compile(g.build(), plainly);
    expect(layout.steps.map(({ spec }) => spec.name)).to.include('concat');
  });

  const sliced = (use: (g: GraphBuilder, wide: Value, slice: Value) => void) => {
    const g = new GraphBuilder();
    const wide = relu(g.at('wide'), input(g, 'x', [1, 4, 4, 8]));
    use(g, wide, g.at('slice').add(sliceChannels, { x: wide }, { first: 3, count: 5 }).y);
    const { layout } = compile(g.build(), { target: abstractTarget, precision: 'float32' });
    return { layout, names: layout.steps.map(({ path }) => path) };
  };

  it('reads a slice of channels where it is and drops the step', () => {
    const { layout, names } = sliced((g, _, slice) => g.output('y', conv(g.at('conv'), slice, 3)));
    expect(names).to.deep.equal(['wide', 'conv']);
    const [wide, slice] = [layout.steps[0]?.outputs[0], layout.steps[1]?.inputs[0]].map(
      (i) => layout.tensors[i as number],
    );
    expect(slice?.pixelStride).to.equal(8);
    expect((slice?.offset as number) - (wide?.offset as number)).to.equal(3 * 4);
    expect(layout.arenaBytes).to.equal(4 * 4 * 8 * 4);
  });

  it('overwrites what a slice lies in only when the slice is not needed any more', () => {
    const build = (sliceFirst: boolean) => {
      const { layout } = sliced((g, wide, slice) => {
        const ofSlice = () => g.output('p', conv(g.at('p'), relu(g.at('ofSlice'), slice), 3));
        if (sliceFirst) ofSlice();
        g.output('q', conv(g.at('q'), relu(g.at('ofWide'), wide), 3));
        if (!sliceFirst) ofSlice();
      });
      const output = (path: string) =>
        layout.tensors[layout.steps.find((step) => step.path === path)?.outputs[0] as number];
      expect(output('ofSlice')?.pixelStride, 'the slice is not overwritten itself').to.equal(5);
      return output('ofWide')?.offset === output('wide')?.offset;
    };
    expect(build(true)).to.equal(true);
    expect(build(false)).to.equal(false);
  });

  it('lets a residual be overwritten only by its last reader', () => {
    const build = (readAfterwards: boolean) => {
      const g = new GraphBuilder();
      const x = relu(g.at('start'), input(g, 'x', [1, 4, 4, 8]));
      const sum = g
        .at('sum')
        .add(add, { a: conv(g.at('conv'), relu(g.at('middle'), x), 8), b: x }, noActivation).y;
      g.output('y', conv(g.at('end'), sum, 8));
      if (readAfterwards) g.output('z', conv(g.at('again'), x, 8));
      const { layout } = compile(g.build(), { target: abstractTarget, precision: 'float32' });
      const step = layout.steps.find(({ path }) => path === 'conv');
      const [residual, output] = [step?.inputs[3], step?.outputs[0]].map((i) => layout.tensors[i as number]);
      return residual?.storage === output?.storage && residual?.offset === output?.offset;
    };
    expect(build(false)).to.equal(true);
    expect(build(true)).to.equal(false);
  });

  it('computes in the memory of an output what the output is written over', () => {
    const build = (readAfterwards: boolean) => {
      const g = new GraphBuilder();
      const x = input(g, 'x', [1, 4, 4, 8]);
      const [a, b] = [conv(g.at('a'), x, 8), conv(g.at('b'), x, 8)];
      const y = relu(g.at('relu'), g.at('sum').add(add, { a, b }, noActivation).y);
      if (readAfterwards) g.output('z', g.at('again').add(add, { a: y, b: x }, noActivation).y);
      else g.output('y', y);
      return compile(g.build(), { target: abstractTarget, precision: 'float32' }).layout;
    };
    const { arenaBytes, steps, tensors } = build(false);
    expect(arenaBytes).to.equal(0);
    expect(steps.map(({ outputs }) => tensors[outputs[0] as number]?.storage)).to.deep.equal([
      'output',
      'output',
    ]);
    const after = build(true);
    expect(after.steps.map(({ outputs }) => after.tensors[outputs[0] as number]?.storage)).to.deep.equal([
      'output',
      'output',
      'output',
    ]);
  });

  it('lends the memory of an output, until it is written, to others of its type', () => {
    const g = new GraphBuilder();
    const a = conv(g.at('a'), input(g, 'x', [1, 4, 4, 8]), 8);
    const b = conv(g.at('b'), a, 8);
    const wide = conv(g.at('wide'), b, 16);
    g.output('y', conv(g.at('y'), wide, 8));
    const { arenaBytes, steps, tensors } = compile(g.build(), {
      target: abstractTarget,
      precision: 'float32',
      algebra: false,
    }).layout;
    const storages = steps.map(({ outputs }) => tensors[outputs[0] as number]?.storage);
    expect(storages).to.deep.equal(['output', 'arena', 'arena', 'output']);
    expect(arenaBytes).to.equal(4 * 4 * (8 + 16) * 4);
  });

  it('names the node that a device cannot run', () => {
    const g = new GraphBuilder();
    g.output('y', relu(g.at('head.relu'), input(g, 'x', [1, 2, 2, 1])));
    const target = { ...abstractTarget, name: 'toaster', unsupported: () => 'it only toasts' };
    expect(() => compile(g.build(), { target, precision: 'float32' })).to.throw(
      'head.relu: the device toaster cannot run activate: it only toasts',
    );
  });
});

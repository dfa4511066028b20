import { expect } from 'chai';
import { type Compiled, compilePrepared } from '../../lib/compile/compile.js';
import { takeMoments } from '../../lib/compile/passes/take-moments.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { type Graph, type Node, producersOf, type Value } from '../../lib/ir/graph.js';
import type { FloatType } from '../../lib/ir/tensor-type.js';
import { verify } from '../../lib/ir/verify.js';
import { imageNetNormalisation, normalise } from '../../lib/models/normalisation.js';
import { batchNormalization, convolution, pixelClassifier, relu } from '../../lib/nn/layers.js';
import { basicBlock } from '../../lib/nn/residual.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import { activate, batchNormTraining, conv2d, conv2dMoments } from '../../lib/ops/index.js';
import { sgd } from '../../lib/optim/index.js';
import { cpuTarget } from '../../lib/runtime/cpu-target.js';
import { cudaTarget } from '../../lib/runtime/cuda-target.js';
import { buildTrainingGraph, type TrainingGraphOptions } from '../../lib/train/training-graph.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { runReference } from '../support/reference-graph.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';
import { smallTrainedNetwork } from '../support/small-trained-network.js';
import { trainingValues } from '../support/training-values.js';

const window = { stride: 1, padding: 1, dilation: 1, groups: 1 };
const plainConvolution = { ...window, ...noActivation, outputType: 'same' } as const;
const normAttributes = {
  ...{ epsilon: 1e-5, momentum: 0.1, frozen: false, synchronised: false, recoversInput: false },
  ...noActivation,
} as const;

/** A 3×3 convolution of an input of 9 × 10 pixels in 8 channels. */
function convolved(
  g: GraphBuilder,
  attributes: Partial<Parameters<typeof conv2d.infer>[1]> = {},
  { dataType = 'float32' as FloatType, residual = false } = {},
): Value {
  const all = { ...plainConvolution, ...attributes };
  const x = g.input('x', { dataType, shape: [1, 9, 10, 8] });
  const filter = g.input(`filter ${all.groups}`, { dataType: 'float32', shape: [8, 3, 3, 8 / all.groups] });
  const bias = g.input('bias', { dataType: 'float32', shape: [8] });
  return g.at('conv').add(conv2d, { x, filter, bias, ...(residual && { residual: x }) }, all).y;
}

function norm(
  g: GraphBuilder,
  x: Value,
  attributes: Partial<Parameters<typeof batchNormTraining.infer>[1]> = {},
  moments: Readonly<Record<string, Value>> = {},
): Value {
  const vector = (name: string) => g.input(name, { dataType: 'float32', shape: [8] });
  const [weight, bias] = [vector('weight'), vector('beta')];
  const [runningMean, runningVariance] = [vector('mean'), vector('variance')];
  const inputs = { x, weight, bias, runningMean, runningVariance, ...moments };
  return g.at('norm').add(batchNormTraining, inputs, { ...normAttributes, ...attributes }).y;
}

const names = ({ nodes }: Graph) => nodes.map(({ spec }) => spec.name);
const nodesOf = ({ nodes }: Graph, name: string): Node[] => nodes.filter(({ spec }) => spec.name === name);

function taken(graph: Graph): Graph {
  const result = takeMoments(graph);
  verify(result, 'takeMoments');
  return result;
}

describe('takeMoments', () => {
  it('lets the convolution before a batch norm tell the moments, and who else reads y still does', () => {
    const g = new GraphBuilder();
    const y = convolved(g, { stride: 2 });
    g.output('normalised', norm(g, y));
    g.output('rectified', g.add(activate, { x: y }, { activation: 'relu', negativeSlope: 0 }).y);
    g.output('plain', y);
    const graph = taken(g.build());
    const [moments, batchNorm, rectified] = graph.nodes as [Node, Node, Node];
    expect(names(graph)).to.deep.equal(['conv2dMoments', 'batchNormTraining', 'activate']);
    expect(moments.path).to.equal('conv');
    expect(moments.attributes).to.deep.equal({ ...window, stride: 2 });
    expect(Object.keys(moments.inputs)).to.deep.equal(['x', 'filter', 'bias']);
    expect([moments.outputs.y, batchNorm.inputs.x, rectified.inputs.x]).to.deep.equal([y, y, y]);
    expect(batchNorm.inputs.means).to.equal(moments.outputs.means);
    expect(batchNorm.inputs.squares).to.equal(moments.outputs.squares);
    expect(graph.outputs.map(({ name }) => name)).to.deep.equal(['normalised', 'rectified', 'plain']);
    expect(takeMoments(graph), 'a second time').to.equal(graph);
  });

  it('shares the moments between batch norms of one convolution, but for one that is frozen', () => {
    const g = new GraphBuilder();
    const y = convolved(g);
    for (const frozen of [false, true, false])
      g.output(`${g.countOf(batchNormTraining)}`, norm(g, y, { frozen }));
    const [moments, first, frozen, last] = taken(g.build()).nodes as [Node, Node, Node, Node];
    expect(moments.spec.name).to.equal('conv2dMoments');
    expect(first.inputs.means).to.equal(moments.outputs.means);
    expect(last.inputs.means).to.equal(moments.outputs.means);
    expect(frozen.inputs).to.have.all.keys('x', 'weight', 'bias', 'runningMean', 'runningVariance');
  });

  const others: Readonly<Record<string, (g: GraphBuilder) => Value>> = {
    'a batch norm that is frozen': (g) => norm(g, convolved(g), { frozen: true }),
    'a convolution in groups': (g) => norm(g, convolved(g, { groups: 4 })),
    'a convolution with a residual': (g) => norm(g, convolved(g, {}, { residual: true })),
    'a convolution with an activation': (g) => norm(g, convolved(g, { activation: 'relu' })),
    'a convolution into another type': (g) =>
      norm(g, convolved(g, { outputType: 'float32' }, { dataType: 'bfloat16' })),
    'what no convolution computes': (g) =>
      norm(g, g.add(activate, { x: convolved(g) }, { activation: 'relu', negativeSlope: 0 }).y),
    'an input': (g) => norm(g, g.input('x', { dataType: 'float32', shape: [1, 9, 10, 8] })),
    'a convolution alone': (g) => convolved(g),
  };
  for (const [what, build] of Object.entries(others))
    it(`leaves ${what} as it is`, () => {
      const g = new GraphBuilder();
      g.output('y', build(g));
      const graph = g.build();
      expect(takeMoments(graph)).to.equal(graph);
    });

  it('takes those of 16 bits, and of float32 that is asked for by name', () => {
    for (const [dataType, outputType] of [
      ['float32', 'float32'],
      ['bfloat16', 'same'],
    ] as const) {
      const g = new GraphBuilder();
      g.output('y', norm(g, convolved(g, { outputType }, { dataType })));
      expect(names(taken(g.build()))).to.deep.equal(['conv2dMoments', 'batchNormTraining']);
    }
  });
});

describe('moments', () => {
  const moments = (g: GraphBuilder, shape: readonly number[]) =>
    g.input(`moments ${shape}`, { dataType: 'float32', shape });
  const build = (given: (g: GraphBuilder) => Readonly<Record<string, Value>>, frozen = false) => {
    const g = new GraphBuilder();
    return norm(g, convolved(g), { frozen }, given(g));
  };

  it('are of ranges of 64 pixels of x', async () => {
    const right = (g: GraphBuilder) => ({ means: moments(g, [2, 8]), squares: moments(g, [2, 8]) });
    expect(build(right).type.shape).to.deep.equal([1, 9, 10, 8]);
    await expectOcrnetError(
      () => build((g) => ({ ...right(g), squares: moments(g, [90, 8]) })),
      'INVALID_GRAPH',
      'norm: batchNormTraining needs equal types for the moments of x and squares, got float32[2×8] and float32[90×8]',
    );
  });

  it('come together, and not where a batch norm is frozen', async () => {
    const one = (g: GraphBuilder) => moments(g, [2, 8]);
    for (const name of ['means', 'squares'])
      await expectOcrnetError(
        () => build((g) => ({ [name]: one(g) })),
        'INVALID_GRAPH',
        `needs both means and squares, or neither, got ${name} alone`,
      );
    await expectOcrnetError(
      () => build((g) => ({ means: one(g), squares: one(g) }), true),
      'INVALID_GRAPH',
      'is frozen and takes no moments, got means float32[2×8]',
    );
  });

  it('are not found of a convolution that does not fit', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', { dataType: 'float32', shape: [1, 9, 10, 8] });
    const filter = g.input('filter', { dataType: 'float32', shape: [8, 3, 3, 4] });
    await expectOcrnetError(
      () => g.at('conv').add(conv2dMoments, { x, filter }, window),
      'INVALID_GRAPH',
      'conv: conv2dMoments filter float32[8×3×3×4] with 1 groups does not fit x float32[1×9×10×8]',
    );
  });
});

/** A convolution, and a block that starts with its batch norm; another block; a classifier. */
function twoBlocks(): Graph {
  const builder = GraphBuilder.forTraining();
  const image = builder.input('image', {
    dataType: 'uint8',
    shape: [size.batch, size.height, size.width, 3],
  });
  const x = normalise(builder, image, imageNetNormalisation);
  const head = convolution(builder.at('head'), x, { channels: 4, kernel: 3 });
  const first = builder.at('blocks').at(0);
  const normalised = batchNormalization(first.at('bn'), head);
  const activated = first.at('bn').add(activate, { x: normalised }, relu).y;
  const middle = basicBlock(first, activated, { channels: 4 });
  const last = basicBlock(builder.at('blocks').at(1), middle, { channels: 6 });
  builder.output('logits', pixelClassifier(builder.at('classifier'), last, size.classes));
  return builder.build();
}

const size = { batch: 2, height: 10, width: 12, classes: 3 };

const trainingOf = (network: Graph, options: Partial<TrainingGraphOptions> = {}): Graph =>
  buildTrainingGraph(network, 'update', {
    losses: { ignoreLabel: 255 },
    alignCorners: true,
    labelSize: size,
    labelType: 'uint8',
    optimiser: sgd(),
    groups: {},
    ...options,
  }).graph;

const forCuda = (graph: Graph) =>
  compilePrepared(
    graph,
    cudaTarget(() => []),
  );

/** The batch norms of a plan that take moments, which must be those of x, and those that do not, by path. */
function takersOf({ graph }: Pick<Compiled, 'graph'>): { takers: string[]; others: string[] } {
  const producers = producersOf(graph);
  const [takers, others]: [string[], string[]] = [[], []];
  for (const { path, inputs } of nodesOf(graph, 'batchNormTraining')) {
    const { outputs } = producers.get(inputs.x as Value) as Node;
    if (inputs.means) expect([inputs.means, inputs.squares]).to.deep.equal([outputs.means, outputs.squares]);
    (inputs.means ? takers : others).push(path);
  }
  return { takers, others };
}

/** What stays of a step, in float64. */
function updatesOf(graph: Graph): number[] {
  const outputs = graph.updates.map((value, i) => ({ name: `${i}`, value }));
  const results = runReference({ ...graph, outputs }, trainingValues(graph, size));
  return outputs.flatMap(({ name }) => [...(results[name] as ReferenceTensor).data]);
}

describe('a training graph', () => {
  // Its convolution comes before attention, on the regions.
  const projected = 'ocr_distri_head.object_context_block.f_up.1';

  it('has moments before each batch norm on a GPU, none on the processor, and costs the same', () => {
    const graph = trainingOf(smallTrainedNetwork(size));
    const [onCpu, onCuda] = [
      compilePrepared(
        graph,
        cpuTarget(() => []),
      ),
      forCuda(graph),
    ];
    expect(onCpu.graph).to.equal(graph);
    expect(names(onCpu.graph)).not.to.include('conv2dMoments');
    const { takers, others } = takersOf(onCuda);
    expect(others).to.deep.equal([projected]);
    expect(nodesOf(onCuda.graph, 'conv2dMoments')).to.have.length(takers.length);
    expect(onCuda.steps.filter(({ node }) => node.spec.name === 'conv2dMoments')).to.have.length(
      takers.length,
    );
    expect(onCuda.graph.nodes).to.have.length(graph.nodes.length);
    expect(onCuda.cost).to.deep.equal(onCpu.cost);
    expect(onCuda.executedFlops).to.equal(onCpu.executedFlops);
  });

  it('has none before those that are frozen', () => {
    const frozenBatchNorm = (path: string) => path.startsWith('deep');
    const { takers, others } = takersOf(forCuda(trainingOf(smallTrainedNetwork(size), { frozenBatchNorm })));
    expect(others).to.have.members([projected, 'deep.bn1', 'deep.bn2', 'deep.downsample.1']);
    expect(takers).not.to.have.length(0);
  });

  it('finds moments again where a convolution is computed again before a batch norm, and nowhere else', () => {
    const { graph } = forCuda(trainingOf(twoBlocks(), { recompute: ['blocks'] }));
    const { takers, others } = takersOf({ graph });
    expect(others).to.deep.equal([]);
    const twice = ['blocks.0.bn', 'blocks.0.bn1', 'blocks.1.bn1'];
    expect(takers.filter((path) => path.endsWith('.again'))).to.have.members(
      twice.map((path) => `${path}.again`),
    );
    expect(takers).to.include.members(twice);
    const convolutions = graph.nodes.filter(({ spec }) => /^conv2d(Moments)?$/.test(spec.name));
    const again = convolutions.filter(({ path }) => path.endsWith('.again'));
    // The first batch norm's convolution is not part of the block: its moments are there for both.
    expect(again.map(({ path, spec }) => `${path} ${spec.name}`)).to.have.members([
      'blocks.0.conv1.again conv2dMoments',
      'blocks.0.conv2.again conv2d',
      'blocks.1.conv1.again conv2dMoments',
      'blocks.1.conv2.again conv2d',
      'blocks.1.downsample.0.again conv2d',
    ]);
  });

  const networks = {
    'as it is': () => trainingOf(smallTrainedNetwork(size)),
    'where activations are computed again': () => trainingOf(twoBlocks(), { recompute: ['blocks'] }),
    'where inputs are recovered': () =>
      trainingOf(smallTrainedNetwork(size), { recoverNormalisedInputs: true }),
  };
  for (const [how, build] of Object.entries(networks))
    it(`makes the same step with moments, ${how}`, () => {
      const graph = build();
      const [expected, actual] = [updatesOf(graph), updatesOf(forCuda(graph).graph)];
      const scale = Math.max(...expected.map(Math.abs));
      expect(actual).to.have.length(expected.length);
      for (const [i, value] of actual.entries())
        expect(Math.abs(value - (expected[i] as number)), `${i}`).to.be.below(1e-9 * scale);
    });
});

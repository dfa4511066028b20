import { expect } from 'chai';
import { smallNetwork } from '../../bench/gpu/sizes.js';
import { compile, compilePrepared, lower } from '../../lib/compile/compile.js';
import { fuseGather } from '../../lib/compile/passes/gather-regions.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Node, Value } from '../../lib/ir/graph.js';
import type { FloatType } from '../../lib/ir/tensor-type.js';
import { verify } from '../../lib/ir/verify.js';
import { buildSegmenter, type SegmenterOutput } from '../../lib/models/segmenter.js';
import {
  activate,
  aggregateRegions,
  distributeRegions,
  gatherRegions,
  labelRegions,
  softmax,
  spatialSoftmax,
} from '../../lib/ops/index.js';
import { sgd } from '../../lib/optim/index.js';
import { cpuTarget } from '../../lib/runtime/cpu-target.js';
import { cudaTarget } from '../../lib/runtime/cuda-target.js';
import { buildTrainingGraph } from '../../lib/train/training-graph.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import { runReference } from '../support/reference-graph.js';
import { smallTrainedNetwork } from '../support/small-trained-network.js';

const classes = 5;

/** Scores of 6 × 7 pixels in 5 classes. */
const scores = (g: GraphBuilder, dataType: FloatType = 'float32'): Value =>
  g.input('logits', { dataType, shape: [2, 6, 7, classes] });
const features = (g: GraphBuilder): Value =>
  g.input('features', { dataType: 'bfloat16', shape: [2, 6, 7, 8] });

const shares = (g: GraphBuilder, logits: Value, scale = 1): Value =>
  g.at('softmax').add(spatialSoftmax, { logits }, { scale }).regions;
const gathered = (g: GraphBuilder, regions: Value, of = features(g)): Value =>
  g.at('gather').add(aggregateRegions, { regions, features: of }, {}).y;

const names = ({ nodes }: Pick<Graph, 'nodes'>) => nodes.map(({ spec }) => spec.name);

function fused(graph: Graph): Graph {
  const result = fuseGather(graph);
  verify(result, 'fuseGather');
  return result;
}

describe('fuseGather', () => {
  it('makes a softmax over pixels and what gathers by it one, where the latter stood', () => {
    const g = new GraphBuilder();
    const logits = scores(g);
    const regions = shares(g, logits, 0.5);
    const rectified = g.add(activate, { x: features(g) }, { activation: 'relu', negativeSlope: 0 }).y;
    const y = gathered(g, regions, rectified);
    g.output('y', y);
    g.output('logits', g.add(activate, { x: logits }, { activation: 'relu', negativeSlope: 0 }).y);
    const graph = fused(g.build());
    expect(names(graph)).to.deep.equal(['activate', 'gatherRegions', 'activate']);
    const gather = graph.nodes[1] as Node;
    expect(gather.path).to.equal('gather');
    expect(gather.inputs).to.deep.equal({ logits, features: rectified });
    expect(gather.attributes).to.deep.equal({ scale: 0.5 });
    expect(gather.outputs).to.deep.equal({ y });
    expect(fuseGather(graph), 'a second time').to.equal(graph);
  });

  it('computes the same', () => {
    const g = new GraphBuilder();
    g.output('y', gathered(g, shares(g, scores(g), 3)));
    const graph = g.build();
    const next = randomNumbers(3);
    const values = Object.fromEntries(
      graph.inputs.map(({ name, value }) => [name, randomTensor(value.type.shape, next)]),
    );
    expect(runReference(fused(graph), values)).to.deep.equal(runReference(graph, values));
  });

  const others: Readonly<Record<string, (g: GraphBuilder) => readonly Value[]>> = {
    'regions that are an output': (g) => {
      const regions = shares(g, scores(g));
      return [gathered(g, regions), regions];
    },
    'regions that something else reads': (g) => {
      const regions = shares(g, scores(g));
      const vectors = gathered(g, regions);
      return [g.add(distributeRegions, { regions, vectors }, {}).y];
    },
    'regions by which two gather': (g) => {
      const regions = shares(g, scores(g));
      return [gathered(g, regions), gathered(g, regions)];
    },
    'regions that gather themselves': (g) => {
      const regions = shares(g, scores(g));
      return [gathered(g, regions, regions)];
    },
    'logits in bfloat16': (g) => [gathered(g, shares(g, scores(g, 'bfloat16')))],
    'logits in float16': (g) => [gathered(g, shares(g, scores(g, 'float16')))],
    'a softmax over channels': (g) => [gathered(g, g.add(softmax, { x: scores(g) }, { scale: 1 }).y)],
    'regions from labels': (g) => {
      const labels = g.input('labels', { dataType: 'uint8', shape: [2, 6, 7] });
      const grid = { height: 6, width: 7, classes, normalised: true };
      return [gathered(g, g.add(labelRegions, { labels }, grid).regions)];
    },
    'regions that are an input': (g) => [gathered(g, scores(g))],
    'features that are regions': (g) => [gathered(g, scores(g), shares(g, scores(g)))],
  };
  for (const [what, build] of Object.entries(others))
    it(`leaves ${what} as they are`, () => {
      const g = new GraphBuilder();
      for (const [i, value] of build(g).entries()) g.output(`${i}`, value);
      const graph = g.build();
      expect(fuseGather(graph)).to.equal(graph);
    });
});

describe('gatherRegions', () => {
  it('needs float32 logits of the size of the features', async () => {
    const build = (g: GraphBuilder, logits: Value) =>
      g.at('gather').add(gatherRegions, { logits, features: features(g) }, { scale: 1 }).y;
    const right = new GraphBuilder();
    expect(build(right, scores(right)).type).to.deep.equal({
      dataType: 'bfloat16',
      shape: [2, classes, 1, 8],
    });
    await expectOcrnetError(
      () => {
        const g = new GraphBuilder();
        build(g, scores(g, 'bfloat16'));
      },
      'INVALID_GRAPH',
      'gather: gatherRegions needs float32 logits, got bfloat16[2×6×7×5]',
    );
    await expectOcrnetError(
      () => {
        const g = new GraphBuilder();
        build(g, g.input('logits', { dataType: 'float32', shape: [2, 7, 6, classes] }));
      },
      'INVALID_GRAPH',
      'float32[2×7×6×5] and bfloat16[2×6×7×8]',
    );
  });
});

const targets = { cpu: cpuTarget(() => []), cuda: cudaTarget(() => []) };

describe('an OCR network', () => {
  const networkFor = (...outputs: SegmenterOutput[]) =>
    buildSegmenter(smallNetwork.config, { batch: 1, height: 33, width: 49, outputs });
  const regionSteps = (graph: Graph, target: keyof typeof targets, precision: FloatType = 'float32') =>
    compile(graph, { target: targets[target], precision })
      .steps.map(({ node }) => node.spec.name)
      .filter((name) => /^(spatialSoftmax|aggregateRegions|gatherRegions)$/.test(name));

  it('gathers straight from scores on a GPU where nobody asks for regions', () => {
    for (const precision of ['float32', 'bfloat16'] as const) {
      expect(regionSteps(networkFor('labels'), 'cuda', precision)).to.deep.equal(['gatherRegions']);
      const withRegions = networkFor('labels', 'regions');
      for (const steps of [
        regionSteps(withRegions, 'cuda', precision),
        regionSteps(networkFor('labels'), 'cpu', precision),
      ])
        expect(steps).to.deep.equal(['spatialSoftmax', 'aggregateRegions']);
    }
  });

  it('costs the same on either device, and the graph is the one that the plan runs', () => {
    const graph = networkFor('logits', 'regionLogits');
    const [onCpu, onCuda] = (['cpu', 'cuda'] as const).map((name) =>
      compile(graph, { target: targets[name], precision: 'float32' }),
    );
    expect(onCuda?.cost).to.deep.equal(onCpu?.cost);
    expect(onCuda?.executedFlops).to.equal(onCpu?.executedFlops);
    expect(onCuda?.graph.nodes).to.have.length((onCpu?.graph.nodes.length ?? 0) - 1);
    expect(onCuda?.steps.map(({ node }) => node)).to.have.members(onCuda?.graph.nodes ?? []);
    expect(names(onCpu?.graph as Graph)).to.deep.equal(names(lower(graph, 'float32')));
  });

  it('keeps its regions in training, where the backward pass reads them', () => {
    const size = { batch: 2, height: 10, width: 12, classes: 3 };
    const { graph } = buildTrainingGraph(smallTrainedNetwork(size), 'update', {
      losses: { ignoreLabel: 255 },
      alignCorners: true,
      labelSize: size,
      labelType: 'uint8',
      optimiser: sgd(),
      groups: {},
    });
    const prepared = names(compilePrepared(graph, targets.cuda).graph);
    expect(prepared).to.include.members(['spatialSoftmax', 'aggregateRegions', 'spatialSoftmaxGradient']);
    expect(prepared).not.to.include('gatherRegions');
  });
});

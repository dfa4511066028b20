import { expect } from 'chai';
import { checkpointReader, eachWeight } from '../../lib/checkpoint/weights.js';
import { lower } from '../../lib/compile/compile.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { exportOnnx } from '../../lib/export/onnx/index.js';
import { channelsFirst, channelsLast } from '../../lib/ir/layout.js';
import { sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import type { TensorData } from '../../lib/runtime/program.js';
import { buildTrainingGraph } from '../../lib/train/training-graph.js';
import { relativeError } from '../support/compare.js';
import {
  featureShape,
  type GoldenHead,
  goldenHeads,
  headGraph,
  labelSize,
  syntheticFeatures,
  syntheticLabels,
} from '../support/context-heads.js';
import { runOnnx, toGraphLayout } from '../support/onnxruntime.js';
import { syntheticCheckpoint } from '../support/synthetic-weights.js';

/** What a head as it runs is given, in the graph's layout. */
const inputsOf = (head: GoldenHead): Record<string, Float32Array | Uint8Array> => ({
  'features.intermediate': channelsLast(syntheticFeatures('intermediate'), featureShape('intermediate')),
  'features.final': channelsLast(syntheticFeatures('final'), featureShape('final')),
  labels: syntheticLabels(head),
});

function expectScores(
  actual: Readonly<Record<string, ArrayLike<number>>>,
  { outputs }: GoldenHead,
  tolerance: number,
): void {
  expect(Object.keys(actual)).to.have.members(Object.keys(outputs));
  for (const [name, { data }] of Object.entries(outputs))
    expect(relativeError(actual[name] as ArrayLike<number>, data), name).to.be.below(tolerance);
}

/** After a step with momentum the velocity is the gradient. */
const trainingOf = (head: GoldenHead) =>
  buildTrainingGraph(headGraph(head, 'parameters'), 'update', {
    losses: { ignoreLabel: 255, auxiliaryWeight: 0.4 },
    alignCorners: head.alignCorners,
    labelSize,
    labelType: 'uint8',
    optimiser: sgd({ momentum: 0.9 }),
    groups: {},
  });

describe('contexts, against PyTorch', function () {
  this.timeout(60_000);
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  for (const head of goldenHeads())
    describe(head.name, () => {
      const run = async (precision: Precision): Promise<Readonly<Record<string, TensorData>>> => {
        const graph = headGraph(head, 'inputs');
        const read = checkpointReader(graph, syntheticCheckpoint(graph));
        const weights = device.createWeights();
        for (const [{ name, value }, data] of eachWeight(lower(graph, precision), read))
          weights.set(name, value.type.shape, data);
        const program = await device.load(device.compile(graph, { precision }), weights);
        const { outputs } = await program.run(inputsOf(head));
        program.dispose();
        weights.dispose();
        return outputs;
      };

      it('has the same scores', async () => {
        expectScores(await run('float32'), head, 1e-4);
      });

      it('has nearly the same scores in bfloat16', async function () {
        if (!device.supports('bfloat16')) this.skip(); // a processor without it refuses such plans
        expectScores(await run('bfloat16'), head, 3e-2);
      });

      it('has the same scores as an ONNX file in onnxruntime', async () => {
        const graph = headGraph(head, 'inputs');
        const file = exportOnnx(graph, checkpointReader(graph, syntheticCheckpoint(graph)));
        const given = Object.fromEntries(
          Object.entries(inputsOf(head)).map(([name, data]) => [
            name,
            { shape: [], data: Float64Array.from(data) },
          ]),
        );
        const outputs = await runOnnx(file, graph, given);
        const inLayout = Object.entries(outputs).map(
          ([name, output]) => [name, toGraphLayout(output)] as const,
        );
        expectScores(Object.fromEntries(inLayout), head, 1e-4);
      });

      it('has the same losses and gradients', async () => {
        const { graph, arena } = trainingOf(head);
        const compiled = device.compilePrepared(graph);
        const weights = device.createWeights();
        const state = device.createState(compiled.layout.states);
        const network = headGraph(head, 'parameters');
        const read = checkpointReader(network, syntheticCheckpoint(network));
        const { parameters } = network;
        const places = [
          ...arena.parameters.map((part) => ['parameters', part] as const),
          ...arena.statistics.map((part) => ['statistics', part] as const),
        ];
        for (const [block, { name, offset }] of places) {
          const parameter = parameters.find((one) => one.name === name) as (typeof parameters)[number];
          await state.write(block, read(parameter), offset);
        }
        const program = await device.load(compiled, weights, state);
        const { outputs } = await program.run({
          labels: syntheticLabels(head),
          schedule: Float32Array.of(0, 1),
        });
        const all = await state.read('velocity');
        program.dispose();
        weights.dispose();
        state.dispose();

        const losses = ['finalLoss', 'auxiliaryLoss'].flatMap((name) => [...(outputs[name] ?? [])]);
        expect(losses).to.have.length(head.losses.length);
        for (const [i, loss] of losses.entries())
          expect(loss / (head.losses[i] as number)).to.be.closeTo(1, 1e-5);

        expect(arena.parameters.map(({ name }) => name)).to.have.members([...head.gradients.keys()]);
        const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));
        const total = norm(all);
        for (const { name, value, offset } of arena.parameters) {
          const expected = head.gradients.get(name) as Float32Array;
          const { shape } = value.type;
          const own = all.subarray(offset, offset + expected.length);
          const actual = shape.length === 4 ? channelsFirst(own, shape) : own;
          // Biases in front of a batch normalisation have no gradient but rounding.
          if (norm(expected) < 1e-6 * total) expect(norm(actual), name).to.be.below(1e-5 * total);
          else expect(relativeError(actual, expected), name).to.be.below(1e-3);
        }
      });
    });
});

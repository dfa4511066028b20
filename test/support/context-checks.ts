import { expect } from 'chai';
import { checkpointReader, eachWeight } from '../../lib/checkpoint/weights.js';
import { lower } from '../../lib/compile/compile.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { channelsFirst, channelsLast } from '../../lib/ir/layout.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import { sgd, type Transform } from '../../lib/optim/index.js';
import type { Device } from '../../lib/runtime/device.js';
import type { TensorData } from '../../lib/runtime/program.js';
import type { ParameterArena } from '../../lib/train/parameter-arena.js';
import { buildTrainingGraph } from '../../lib/train/training-graph.js';
import { relativeError } from './compare.js';
import {
  featureShape,
  type GoldenHead,
  headGraph,
  labelSize,
  syntheticFeatures,
  syntheticLabels,
} from './context-heads.js';
import { runReference } from './reference-graph.js';
import type { ReferenceTensor } from './reference-tensor.js';
import { syntheticCheckpoint } from './synthetic-weights.js';

// A context module on a device, against PyTorch.

/** What a head as it runs is given, in the graph's layout. */
export const inputsOf = (head: GoldenHead): Record<string, Float32Array | Uint8Array> => ({
  'features.intermediate': channelsLast(syntheticFeatures('intermediate'), featureShape('intermediate')),
  'features.final': channelsLast(syntheticFeatures('final'), featureShape('final')),
  labels: syntheticLabels(head),
});

export function expectScores(
  actual: Readonly<Record<string, ArrayLike<number>>>,
  { outputs }: GoldenHead,
  tolerance: number,
): void {
  expect(Object.keys(actual)).to.have.members(Object.keys(outputs));
  for (const [name, { data }] of Object.entries(outputs))
    expect(relativeError(actual[name] as ArrayLike<number>, data), name).to.be.below(tolerance);
}

export async function runHead(
  device: Device,
  head: GoldenHead,
  precision: Precision,
): Promise<Readonly<Record<string, TensorData>>> {
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
}

/** The losses, and the gradient of each parameter in PyTorch's layout. */
export interface HeadGradients {
  readonly losses: readonly number[];
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** As a head is trained; `features` are parameters, whose gradients are looked at too. */
function trainingOf(head: GoldenHead, precision: Precision, optimiser: Transform) {
  const network = headGraph(head, 'parameters');
  const training = buildTrainingGraph(network, 'update', {
    losses: { ignoreLabel: 255, auxiliaryWeight: 0.4 },
    alignCorners: head.alignCorners,
    labelSize,
    labelType: 'uint8',
    groups: {},
    optimiser,
    precision,
  });
  const read = checkpointReader(network, syntheticCheckpoint(network));
  const values = new Map(network.parameters.map((parameter) => [parameter.name, read(parameter)]));
  return { ...training, values };
}

/** On a device. */
export async function trainHead(
  device: Device,
  head: GoldenHead,
  precision: Precision,
): Promise<HeadGradients> {
  // After a step with momentum the velocity is the gradient.
  const { graph, arena, values, starts } = trainingOf(head, precision, sgd({ momentum: 0.9 }));
  const compiled = device.compilePrepared(graph);
  const weights = device.createWeights();
  const state = device.createState(compiled.layout.states);
  const places = [
    ...arena.parameters.map((part) => ['parameters', part] as const),
    ...arena.statistics.map((part) => ['statistics', part] as const),
  ];
  for (const [block, { name, offset }] of places)
    await state.write(block, values.get(name) as Float32Array, offset);
  for (const [block, numbers] of starts) await state.write(block, Float32Array.from(numbers));
  const program = await device.load(compiled, weights, state);
  const { outputs } = await program.run({
    labels: syntheticLabels(head),
    schedule: Float32Array.of(0, 1),
  });
  const gradients = gradientsOf(arena, await state.read('velocity'));
  program.dispose();
  weights.dispose();
  state.dispose();
  return { losses: lossesOf(outputs), gradients };
}

/** By plain code in float64 that rounds what the graph has in 16 bits. */
export function trainHeadPlainly(head: GoldenHead, precision: Precision): HeadGradients {
  const { graph, arena, values, starts } = trainingOf(head, precision, (step, { report }) => {
    report('gradients', step.gradients);
    return step;
  });
  const { height, width } = labelSize;
  const labels = Float64Array.from(syntheticLabels(head));
  const given: Record<string, ReferenceTensor> = {
    labels: { shape: [labels.length / (height * width), height, width], data: labels },
    schedule: { shape: [2], data: Float64Array.of(0, 1) },
  };
  for (const { parts } of graph.states)
    for (const { name, value } of parts)
      given[name] = { shape: value.type.shape, data: Float64Array.from(values.get(name) as Float32Array) };
  for (const [block, numbers] of starts)
    given[block] = { shape: [numbers.length], data: Float64Array.from(numbers) };
  const { gradients, ...losses } = runReference(graph, given, { rounds: true });
  const scale = starts.get('lossScale')?.[0] ?? 1;
  return {
    losses: lossesOf(Object.fromEntries(Object.entries(losses).map(([name, { data }]) => [name, data]))),
    gradients: gradientsOf(
      arena,
      Float32Array.from((gradients as ReferenceTensor).data, (x) => x / scale),
    ),
  };
}

const lossesOf = (outputs: Readonly<Record<string, ArrayLike<number>>>): number[] =>
  ['finalLoss', 'auxiliaryLoss'].flatMap((name) => Array.from(outputs[name] ?? []));

function gradientsOf({ parameters }: ParameterArena, all: Float32Array): Map<string, Float32Array> {
  return new Map(
    parameters.map(({ name, value: { type }, offset }) => {
      const own = all.subarray(offset, offset + elementCount(type.shape));
      return [name, type.shape.length === 4 ? channelsFirst(own, type.shape) : own];
    }),
  );
}

export function expectLosses({ losses }: HeadGradients, head: GoldenHead, tolerance: number): void {
  expect(losses).to.have.length(head.losses.length);
  for (const [i, loss] of losses.entries())
    expect(loss / (head.losses[i] as number)).to.be.closeTo(1, tolerance);
}

export function expectGradients({ gradients }: HeadGradients, head: GoldenHead): void {
  expect([...gradients.keys()]).to.have.members([...head.gradients.keys()]);
  const total = Math.hypot(...[...gradients.values()].map(norm));
  for (const [name, actual] of gradients) {
    const expected = head.gradients.get(name) as Float32Array;
    // Biases in front of a batch normalisation have no gradient but rounding.
    if (norm(expected) < 1e-6 * total) expect(norm(actual), name).to.be.below(1e-5 * total);
    else expect(relativeError(actual, expected), name).to.be.below(1e-3);
  }
}

/** ‖error‖ / ‖gradient‖ of all parameters together. */
export function gradientError({ gradients }: HeadGradients, head: GoldenHead): number {
  const names = [...gradients.keys()];
  const joined = (from: ReadonlyMap<string, Float32Array>) =>
    names.flatMap((name) => [...(from.get(name) as Float32Array)]);
  return relativeError(joined(gradients), joined(head.gradients));
}

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));

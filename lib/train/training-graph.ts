import { differentiate } from '../compile/autodiff.js';
import { assignPrecision, type Precision } from '../compile/passes/assign-precision.js';
import { eliminateDead } from '../compile/passes/eliminate-dead.js';
import { fuseActivation, fuseResidual } from '../compile/passes/fuse-epilogue.js';
import { projectBeforeMixing } from '../compile/passes/project-before-mixing.js';
import { recoverNormalisedInputs, trainBatchNorm } from '../compile/passes/train-batch-norm.js';
import { OcrnetError } from '../errors.js';
import { GraphExtension } from '../ir/extend.js';
import type { Graph, GraphOutput, Node, Parameter, StateBlock, Value } from '../ir/graph.js';
import { elementCount } from '../ir/tensor-type.js';
import { verify } from '../ir/verify.js';
import { type SegmentationLossOptions, segmentationLosses } from '../losses/segmentation.js';
import { accumulate, adjustLossScale, allReduce, join } from '../ops/index.js';
import { completeLossScale, type LossScaleOptions, type Transform } from '../optim/index.js';
import { ParameterArena, type ParameterGroups } from './parameter-arena.js';

export interface TrainingGraphOptions {
  readonly losses: Omit<SegmentationLossOptions, 'alignCorners'>;
  /** Of every bilinear resize, as in the network. */
  readonly alignCorners: boolean;
  /** Height and width of the labels. */
  readonly labelSize: { readonly height: number; readonly width: number };
  readonly labelType: 'uint8' | 'uint16';
  readonly optimiser: Transform;
  readonly groups: ParameterGroups;
  /**
   * Of activations and their gradients; by default float32. Parameters, their gradients, running statistics, losses and what the
   * optimiser remembers are float32 in any case (mixed precision: Micikevicius et al. 2018). bfloat16 has float32's range;
   * float16 has not, so that its losses are scaled.
   */
  readonly precision?: Precision;
  /** Scales losses. By default those of float16, as said there. */
  readonly lossScale?: LossScaleOptions;
  /** Part of the batch's statistics in the running ones at each step; by default 0.1. */
  readonly batchNormMomentum?: number;
  /** Batch norms that keep their running statistics, by path. By default none. */
  readonly frozenBatchNorm?: (path: string) => boolean;
  /** The gradients are the means over the devices of a group, each of which has a part of the batch. By default not. */
  readonly averagesOverGroup?: boolean;
  /** Batch norms with the statistics of all devices of the group. By default each has its own. */
  readonly synchronisedBatchNorm?: boolean;
  /** In-place activated batch norm where the activation can be undone. By default not. */
  readonly recoverNormalisedInputs?: boolean;
  /** Path prefixes of segments whose activations are computed again in the backward pass. By default none. */
  readonly recompute?: readonly string[];
}

/**
 * What a plan of training does with its gradients: `update` the parameters; `accumulate` them and wait for the next batch; or
 * add what was accumulated and then update.
 */
export type TrainingStage = 'update' | 'accumulate' | 'accumulate-and-update';

/** A training iteration as one graph: forward, losses, backward, optimiser. */
export interface TrainingGraph {
  readonly graph: Graph;
  /** Where each parameter and running statistic lies in the state. */
  readonly arena: ParameterArena;
  /** State blocks that start as copies of others. */
  readonly copies: ReadonlyMap<string, string>;
  /** State blocks that start with these numbers. */
  readonly starts: ReadonlyMap<string, readonly number[]>;
}

/**
 * Makes the training iteration of a network.
 *
 * Inputs: those of the network, "labels" (N, H, W), "schedule" (2): learning rate and number of the step from 1, and where
 * gradients are accumulated "accumulation" (2): part of the sum that is kept, and factor of the new gradients. Outputs:
 * "finalLoss", "auxiliaryLoss" (1), weighted, "lossScale" and "gradientScale" (1) where losses are scaled, and what the optimiser
 * reports.
 *
 * @param network - the forward graph, built to be trained, with outputs "logits" and, where it has them, "auxiliaryLogits"
 */
export function buildTrainingGraph(
  network: Graph,
  stage: TrainingStage,
  options: TrainingGraphOptions,
): TrainingGraph {
  const forward = prepareForward(network, options);
  const extension = new GraphExtension(forward);
  const scaling = scalingOf(extension, options);
  const { losses, outputs } = addLosses(extension, options, scaling?.state);
  const arena = ParameterArena.of(forward.parameters, options.groups);
  const gradients = differentiate(
    extension,
    losses,
    arena.trained.map(({ value }) => value),
    {
      segmentOf: segmentsUnder(options.recompute ?? [], forward),
    },
  );
  const add = extension.at('optimiser');
  const own = add(join, joinInputs(arena.trained, gradients), {}).y;
  const joined = options.averagesOverGroup ? add(allReduce, { x: own }, { average: true }).y : own;
  const copies = new Map<string, string>();
  const states = addOptimiser(extension, stage, {
    arena,
    joined,
    outputs,
    copies,
    optimiser: options.optimiser,
    scaling,
  });
  const starts = new Map(scaling ? [['lossScale', [scaling.initial, 0]]] : []);
  const graph = eliminateDead(extension.finish(outputs, states));
  verify(graph, 'differentiation');
  return { graph, arena, copies, starts };
}

/** The network as it is trained: batch norms of the batch, fused epilogues, final element types. */
function prepareForward(network: Graph, options: TrainingGraphOptions): Graph {
  const { batchNormMomentum = 0.1, frozenBatchNorm = () => false, synchronisedBatchNorm = false } = options;
  const { precision = 'float32' } = options;
  const passes: ((graph: Graph) => Graph)[] = [
    eliminateDead,
    (graph) =>
      trainBatchNorm(graph, {
        momentum: batchNormMomentum,
        frozen: frozenBatchNorm,
        synchronised: synchronisedBatchNorm,
      }),
    projectBeforeMixing,
    fuseResidual,
    fuseActivation,
    // Before differentiation: gradients take the types of what they are gradients of.
    (graph) => assignPrecision(graph, precision),
    ...(options.recoverNormalisedInputs ? [recoverNormalisedInputs] : []),
  ];
  return passes.reduce((graph, pass) => {
    const next = pass(graph);
    verify(next, pass.name);
    return next;
  }, network);
}

/** Dynamic loss scaling in a graph. */
interface Scaling extends Required<LossScaleOptions> {
  /** (2): the scale, and the steps since it has changed. */
  readonly state: Value;
}

function scalingOf(
  extension: GraphExtension,
  { precision, lossScale = precision === 'float16' ? {} : undefined }: TrainingGraphOptions,
): Scaling | undefined {
  return (
    lossScale && {
      ...completeLossScale(lossScale),
      state: extension.leaf({ dataType: 'float32', shape: [2] }),
    }
  );
}

function addLosses(
  extension: GraphExtension,
  { losses: options, alignCorners, labelSize, labelType }: TrainingGraphOptions,
  lossScale: Value | undefined,
): { losses: Value[]; outputs: GraphOutput[] } {
  const score = (name: string) => extension.outputs.find((output) => output.name === name)?.value;
  const logits = score('logits');
  if (!logits) throw new OcrnetError('INVALID_GRAPH', 'A network in training needs the output "logits"');
  const shape = [logits.type.shape[0] as number, labelSize.height, labelSize.width];
  const labels = extension.input('labels', { dataType: labelType, shape });
  const scores = { logits, auxiliaryLogits: score('auxiliaryLogits'), lossScale };
  const { final, auxiliary } = segmentationLosses(extension, scores, labels, { ...options, alignCorners });
  return {
    losses: auxiliary ? [final, auxiliary] : [final],
    outputs: [
      { name: 'finalLoss', value: final },
      ...(auxiliary ? [{ name: 'auxiliaryLoss', value: auxiliary }] : []),
    ],
  };
}

/** Nodes under one of the prefixes belong to one segment for each child: "backbone.layer3" gives layer3.0, layer3.1, … */
function segmentsUnder(prefixes: readonly string[], { nodes }: Graph): (node: Node) => string | undefined {
  for (const prefix of prefixes)
    if (!nodes.some(({ path }) => path === prefix || path.startsWith(`${prefix}.`)))
      throw new OcrnetError('INVALID_ARGUMENT', 'There is nothing under a path to be recomputed', {
        expected: 'prefixes of paths, such as backbone.layer3',
        received: prefix,
      });
  return ({ path }) => {
    const prefix = prefixes.find((one) => path === one || path.startsWith(`${one}.`));
    if (prefix === undefined) return undefined;
    return path
      .split('.')
      .slice(0, prefix.split('.').length + 1)
      .join('.');
  };
}

function joinInputs(
  trained: readonly Parameter[],
  gradients: ReadonlyMap<Value, Value>,
): Record<string, Value> {
  return Object.fromEntries(
    trained.map(({ name, value }, i) => {
      const gradient = gradients.get(value);
      if (gradient) return [`${i}`, gradient];
      throw new OcrnetError('INVALID_GRAPH', `Parameter "${name}" cannot be trained: no loss depends on it`);
    }),
  );
}

interface OptimiserParts {
  readonly arena: ParameterArena;
  /** The gradients of all trained parameters (n). */
  readonly joined: Value;
  readonly outputs: GraphOutput[];
  /** Filled: blocks that start as copies of others. */
  readonly copies: Map<string, string>;
  readonly optimiser: Transform;
  readonly scaling: Scaling | undefined;
}

function addOptimiser(
  extension: GraphExtension,
  stage: TrainingStage,
  { arena, joined, outputs, copies, optimiser, scaling }: OptimiserParts,
): StateBlock[] {
  const add = extension.at('optimiser');
  const flat = (count: number) => extension.leaf({ dataType: 'float32', shape: [count] });
  const parameters = flat(arena.parameterCount);
  const states: StateBlock[] = [{ name: 'parameters', value: parameters, parts: arena.parameters }];
  if (arena.statisticCount > 0)
    states.push({ name: 'statistics', value: flat(arena.statisticCount), parts: arena.statistics });
  const state = (name: string, shape: 'parameters' | 'statistics', { startsAsCopy = false } = {}): Value => {
    const value = flat(shape === 'parameters' ? arena.parameterCount : arena.statisticCount);
    states.push({ name, value, parts: [] });
    if (startsAsCopy) copies.set(name, shape);
    return value;
  };

  if (scaling) states.push({ name: 'lossScale', value: scaling.state, parts: [] });

  let gradients = joined;
  if (stage !== 'update') {
    const weights = extension.input('accumulation', { dataType: 'float32', shape: [2] });
    const total = state('accumulated', 'parameters');
    gradients = add(accumulate, { total, part: joined, weights }, {}).newTotal;
    extension.update(gradients);
  }
  if (stage === 'accumulate') return states;

  const schedule = extension.input('schedule', { dataType: 'float32', shape: [2] });
  const statistics = joinStatistics(extension, arena);
  const gradientScale = scaling && addScaling(extension, scaling, gradients, outputs);
  optimiser(
    { parameters, gradients, ...(gradientScale && { gradientScale }), ...(statistics && { statistics }) },
    {
      add,
      schedule,
      ranges: arena.ranges,
      state,
      keep: (value) => extension.update(value),
      report: (name, value) => outputs.push({ name, value }),
    },
  );
  return states;
}

/** What undoes the scale, or skips the step; the scale is adjusted and reported. */
function addScaling(
  extension: GraphExtension,
  { state: lossScale, growthInterval }: Scaling,
  gradients: Value,
  outputs: GraphOutput[],
): Value {
  const add = extension.at('optimiser');
  const adjusted = add(adjustLossScale, { gradients, lossScale }, { growthInterval });
  extension.update(adjusted.newLossScale);
  outputs.push({ name: 'lossScale', value: adjusted.scale });
  outputs.push({ name: 'gradientScale', value: adjusted.gradientScale });
  return adjusted.gradientScale;
}

/** The running statistics as they are after the step: what the batch norms put in their place, or what was there. */
function joinStatistics(extension: GraphExtension, arena: ParameterArena): Value | undefined {
  if (arena.statisticCount === 0) return undefined;
  const after = new Map<Value, Value>();
  const kept = new Set(extension.updates);
  for (const { spec, inputs, outputs } of extension.nodes)
    for (const [output, input] of Object.entries(spec.facts.updates ?? {})) {
      const value = outputs[output] as Value;
      if (kept.has(value)) after.set(inputs[input] as Value, value);
    }
  const parts = arena.statistics.map(({ value }, i) => [`${i}`, after.get(value) ?? value] as const);
  return extension.at('optimiser')(join, Object.fromEntries(parts), {}).y;
}

/** Numbers that the state of a training holds, four bytes each. */
export const stateElements = ({ states }: Graph): number =>
  states.reduce((sum, { value }) => sum + elementCount(value.type.shape), 0);

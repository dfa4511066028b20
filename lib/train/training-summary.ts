import { compilePrepared } from '../compile/compile.js';
import type { Precision } from '../compile/passes/assign-precision.js';
import type { Target } from '../compile/target.js';
import type { Graph } from '../ir/graph.js';
import { byteLength } from '../ir/tensor-type.js';
import { buildSegmenter, type SegmenterConfig } from '../models/segmenter.js';
import { adamW, chain, movingAverage, sgd } from '../optim/index.js';
import { trainingGraphOf } from './training-program.js';

export interface TrainingSummaryOptions {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly optimiser: 'sgd' | 'adamw';
  /** Path prefixes of what is computed again in the second variant; by default {@link recomputedByDefault}. */
  readonly recompute?: readonly string[];
  /** Of activations and their gradients; by default float32. */
  readonly precision?: Precision;
  readonly target: Target;
}

/** One way to train the same network: memory against work. */
export interface TrainingVariant {
  readonly recompute: readonly string[];
  readonly recoverInputs: boolean;
  /** Activations, gradients and scratch memory of a step, as planned. */
  readonly arenaBytes: number;
  /** Arena and state, without a moving average. */
  readonly totalBytes: number;
  /** Of a step, a multiply-add counted as two. */
  readonly flops: number;
}

/** What the training of a network costs at one size, known before anything runs. */
export interface TrainingSummary {
  /** What stays from step to step. */
  readonly state: {
    readonly parameterBytes: number;
    readonly statisticBytes: number;
    readonly optimiserBytes: number;
    /** Of a moving average, if one is kept. */
    readonly averageBytes: number;
  };
  /** As it is; recomputed; with in-place activated batch norm; both. */
  readonly variants: readonly TrainingVariant[];
}

/** Plans a training in each variant. Nothing is allocated. */
export function summariseTraining(config: SegmenterConfig, options: TrainingSummaryOptions): TrainingSummary {
  const { batch, height, width, precision = 'float32', target } = options;
  const network = buildSegmenter(config, { batch: 1, height, width, outputs: ['logits'] });
  const recompute = options.recompute ?? recomputedByDefault(network);
  const optimiser = options.optimiser === 'sgd' ? sgd() : adamW();
  const planned = (recomputed: readonly string[], recoverInputs: boolean) => {
    const { graph } = trainingGraphOf(config, 'update', {
      ...{ batch, height, width, groups: {}, losses: { ignoreLabel: 255 } },
      optimiser: chain(optimiser, movingAverage()),
      precision,
      recompute: recomputed,
      recoverNormalisedInputs: recoverInputs,
    });
    const { arenaBytes, cost } = compilePrepared(graph, target);
    return { graph, recompute: recomputed, recoverInputs, arenaBytes, flops: cost.flops };
  };
  const plans = [planned([], false), planned(recompute, false), planned([], true), planned(recompute, true)];
  const [{ graph }] = plans as [(typeof plans)[number]];
  const state = stateOf(graph);
  const kept = state.parameterBytes + state.statisticBytes + state.optimiserBytes;
  return {
    state,
    variants: plans.map(({ graph: _, ...plan }) => ({ ...plan, totalBytes: kept + plan.arenaBytes })),
  };
}

function stateOf({ states }: Graph): TrainingSummary['state'] {
  const bytes = (isMeant: (name: string) => boolean) =>
    states.filter(({ name }) => isMeant(name)).reduce((sum, { value }) => sum + byteLength(value.type), 0);
  const isAverage = (name: string) => name.startsWith('average');
  const [parameterBytes, statisticBytes, averageBytes] = [
    bytes((name) => name === 'parameters'),
    bytes((name) => name === 'statistics'),
    bytes(isAverage),
  ];
  const optimiserBytes = bytes(() => true) - parameterBytes - statisticBytes - averageBytes;
  return { parameterBytes, statisticBytes, optimiserBytes, averageBytes };
}

/** The stages of the backbone that consist of blocks: what enters a block is kept, the rest is computed again. */
export function recomputedByDefault({ nodes }: Graph): string[] {
  const sizes = new Map<string, number>();
  for (const { path } of nodes) {
    const block = /^backbone\.\w+\.\d+(?=\.|$)/.exec(path)?.[0];
    if (block) sizes.set(block, (sizes.get(block) ?? 0) + 1);
  }
  // A convolution with its batch norm and activation is no block: there is nothing between that could be left out.
  const blocks = [...sizes].filter(([, size]) => size > 3).map(([block]) => block);
  return [...new Set(blocks.map((block) => block.slice(0, block.lastIndexOf('.'))))];
}

import Table from 'cli-table3';
import type { Precision } from '../compile/passes/assign-precision.js';
import type { Target } from '../compile/target.js';
import { invalidArgument } from '../errors.js';
import type { SegmenterConfig } from '../models/segmenter.js';
import { formatBytes, formatGigaflops } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { summariseTraining, type TrainingSummary, type TrainingVariant } from '../train/training-summary.js';
import type { InputSize } from './options.js';

export interface TrainingSummaryFlags {
  readonly input: InputSize;
  readonly json?: boolean;
  readonly train?: boolean;
  readonly steps?: boolean;
  readonly precision?: Precision;
  readonly optimiser?: 'sgd' | 'adamw';
  readonly recompute?: readonly string[];
  readonly recoverInputs?: boolean;
}

const trainingFlags = {
  optimiser: 'optimiser',
  recompute: 'recompute',
  recoverInputs: 'recover-inputs',
} as const;

/** What belongs to training alone is no option of a summary of inference. */
export function refuseTrainingFlags(flags: TrainingSummaryFlags): void {
  for (const [name, option] of Object.entries(trainingFlags)) {
    const value = flags[name as keyof typeof trainingFlags];
    if (value !== undefined) throw invalidArgument(`--${option}`, 'none without --train', value);
  }
}

/** `ocrnet summary --train`: what one step of a training needs, in each way to save memory. */
export function printTrainingSummary(
  config: SegmenterConfig,
  target: Target,
  flags: TrainingSummaryFlags,
  terminal: Terminal,
): void {
  const { input, json = false, precision = 'float32', optimiser = 'sgd' } = flags;
  const { recompute, recoverInputs = false } = flags;
  if (flags.steps) throw invalidArgument('--steps', 'none with --train', true);
  const counted = summariseTraining(config, {
    ...input,
    target,
    precision,
    optimiser,
    ...(recompute && { recompute }),
  });
  const asked = counted.variants.find(
    (one) => one.recompute.length > 0 === (recompute !== undefined) && one.recoverInputs === recoverInputs,
  ) as TrainingVariant;
  terminal.print(
    json
      ? JSON.stringify({ optimiser, ...counted, asked }, undefined, 2)
      : describe(counted, asked, optimiser),
  );
}

function describe({ state, variants }: TrainingSummary, asked: TrainingVariant, optimiser: string): string {
  const table = new Table({
    head: ['a step of training', 'activations and gradients', 'with state', 'GFLOPs'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const one of variants)
    table.push([
      nameOf(one),
      formatBytes(one.arenaBytes),
      formatBytes(one.totalBytes),
      formatGigaflops(one.flops),
    ]);
  const recomputed = variants.find(({ recompute }) => recompute.length > 0)?.recompute ?? [];
  return [
    table.toString(),
    `parameters      ${formatBytes(state.parameterBytes)}, running statistics ${formatBytes(state.statisticBytes)}`,
    `optimiser       ${formatBytes(state.optimiserBytes)} (${optimiser})`,
    `moving average  ${formatBytes(state.averageBytes)} more, where one is kept`,
    `recomputed      ${recomputed.join(', ') || 'nothing: this backbone has no blocks'}`,
    `planned memory  ${formatBytes(asked.totalBytes)} ${nameOf(asked)}`,
  ].join('\n');
}

function nameOf({ recompute, recoverInputs }: TrainingVariant): string {
  const parts = [
    ...(recompute.length > 0 ? ['recomputing'] : []),
    ...(recoverInputs ? ['in-place activated batch norm'] : []),
  ];
  return parts.join(', ') || 'as it is';
}

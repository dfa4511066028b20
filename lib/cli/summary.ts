import Table from 'cli-table3';
import { abstractTarget } from '../compile/target.js';
import { buildSegmenter } from '../models/segmenter.js';
import { describeSource } from '../serve/load-model.js';
import { type Summary, summarise } from '../serve/summary.js';
import { formatBytes, formatGigaflops, formatMillions } from '../terminal/format.js';
import type { CommandContext } from './context.js';
import { openUnlessMissing } from './open-unless-missing.js';
import type { NetworkFlags } from './options.js';
import { printTrainingSummary, refuseTrainingFlags, type TrainingSummaryFlags } from './training-summary.js';

export interface SummaryFlags extends NetworkFlags, TrainingSummaryFlags {
  readonly steps?: boolean;
  readonly algebra?: boolean;
}

/** `ocrnet summary`: no weights are read. */
export async function summary(
  name: string,
  flags: SummaryFlags,
  { terminal }: CommandContext,
): Promise<void> {
  const { input, steps = false, json = false, device = 'auto', precision = 'float32', ...rest } = flags;
  const { algebra = true, ...network } = rest;
  const { config } = describeSource(name, network).description;
  await using opened = await openUnlessMissing(device, terminal);
  const target = opened?.target ?? abstractTarget;
  if (flags.train) {
    opened?.requireTrainingPrecision(precision);
    return printTrainingSummary(config, target, flags, terminal);
  }
  refuseTrainingFlags(flags);
  const graph = buildSegmenter(config, { ...input, outputs: ['labels'] });
  const counted = summarise(graph, { target, precision, algebra });
  if (json) terminal.print(JSON.stringify(steps ? counted : { ...counted, steps: undefined }, undefined, 2));
  else terminal.print([...describe(counted), ...(steps ? [stepTable(counted)] : [])].join('\n'));
}

function describe(summary: Summary): string[] {
  const { stages, parameters, flops, executedFlops, bytesMoved, weightBytes, arenaBytes } = summary;
  const table = new Table({
    head: ['stage', 'output', 'parameters', 'GFLOPs', 'MB moved'],
    colAligns: ['left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const stage of stages)
    table.push([
      stage.path,
      stage.shape.join('x'),
      stage.parameters.toLocaleString('en'),
      formatGigaflops(stage.flops),
      (stage.bytesMoved / 1e6).toFixed(1),
    ]);
  return [
    table.toString(),
    `parameters      ${parameters.toLocaleString('en')} (${formatMillions(parameters)})`,
    `operations      ${formatGigaflops(flops)} GFLOPs, a multiply-add counted as two; ${formatBytes(bytesMoved)} moved`,
    `as compiled     ${formatGigaflops(executedFlops)} GFLOPs`,
    `weights         ${formatBytes(weightBytes)} in float32`,
    `planned memory  ${formatBytes(arenaBytes)} for activations and scratch`,
  ];
}

function stepTable({ steps }: Summary): string {
  const table = new Table({
    head: ['step', 'operation', 'algorithm'],
    style: { head: [], border: [], compact: true },
  });
  for (const { path, operation, algorithm } of steps) table.push([path, operation, algorithm]);
  return table.toString();
}

import Table from 'cli-table3';
import { openDataset } from '../data/folder-dataset.js';
import type { Evaluation } from '../evaluate/evaluate.js';
import type { AbsentClasses } from '../evaluate/metrics.js';
import { checkTestOptions, type ScoreMerge } from '../evaluate/multi-scale.js';
import type { Size } from '../evaluate/score-map.js';
import type { ClassInfo } from '../image/class-info.js';
import { defaultModelFile } from '../serve/default-model.js';
import { evaluateModel } from '../serve/evaluate-model.js';
import { loadModel } from '../serve/load-model.js';
import { formatDuration, formatMillions, formatShare } from '../terminal/format.js';
import { classBar } from './class-bars.js';
import type { CommandContext } from './context.js';
import type { NetworkFlags } from './options.js';
import { Progress } from './progress.js';

export interface EvaluateFlags extends NetworkFlags {
  readonly model?: string;
  readonly data: string;
  readonly split: string;
  readonly dataset?: string;
  readonly flip?: boolean;
  readonly scales?: readonly number[];
  readonly window?: Size;
  readonly stride?: Size;
  readonly merge?: ScoreMerge;
  readonly absent?: AbsentClasses;
  readonly json?: boolean;
}

/** `ocrnet evaluate`. */
export async function evaluate(flags: EvaluateFlags, { terminal, signal }: CommandContext): Promise<void> {
  const { model: name, data, split: splitName, dataset: kind, json = false, ...rest } = flags;
  const { flip, scales, window, stride, merge, absent, ...network } = rest;
  const test = {
    ...(flip && { flip }),
    ...(scales && { scales }),
    ...(window && { window }),
    ...(stride && { stride }),
    ...(merge && { merge }),
  };
  checkTestOptions(test);
  const dataset = await openDataset(data, { kind });
  const split = await dataset.split(splitName);
  using progress = new Progress(
    json ? { ...terminal, watched: false } : terminal,
    split.samples.length,
    'loading',
  );
  await using model = await loadModel(name ?? defaultModelFile(), {
    ...network,
    onWarning: (message) => progress.terminal.note(`ocrnet: warning: ${message}`),
  });
  const evaluation = await evaluateModel(model, split, {
    ...test,
    ...(absent && { absent }),
    signal,
    onProgress: (_done, _total, picture) => progress.advance(picture),
  });
  const text = json ? toJson(evaluation) : describe(evaluation, split.classes, terminal.colours);
  progress.terminal.print(text);
}

/** The matrix by rows, as people index it. */
function toJson({ confusion, ...evaluation }: Evaluation): string {
  const { length } = evaluation.perClass;
  const rows = evaluation.perClass.map((_, row) => [...confusion.subarray(row * length, (row + 1) * length)]);
  return JSON.stringify({ ...evaluation, confusion: rows }, undefined, 2);
}

function describe(
  { miou, pixelAccuracy, meanAccuracy, perClass, pictures, elapsedMs }: Evaluation,
  classes: readonly ClassInfo[],
  colours: boolean,
): string {
  const table = new Table({
    head: ['class', '', 'IoU', 'accuracy', 'pixels'],
    colAligns: ['left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  const shareOrNone = (share: number | null) => (share === null ? '–' : formatShare(share));
  for (const [label, { name, iou, accuracy, pixels }] of perClass.entries()) {
    const bar = classBar(iou ?? 0, (classes[label] as ClassInfo).colour, colours);
    table.push([name, bar, shareOrNone(iou), shareOrNone(accuracy), formatMillions(pixels)]);
  }
  return [
    table.toString(),
    `mIoU            ${formatShare(miou)}`,
    `pixel accuracy  ${formatShare(pixelAccuracy)}`,
    `mean accuracy   ${formatShare(meanAccuracy)}`,
    `${pictures} pictures in ${formatDuration(elapsedMs)}`,
  ].join('\n');
}

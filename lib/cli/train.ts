import { join } from 'node:path';
import type { EventOf } from '../logging/events.js';
import { TrainingProgress } from '../logging/progress.js';
import type { DeviceOptions } from '../runtime/device.js';
import { formatShare } from '../terminal/format.js';
import { loadRecipe } from '../train/recipe.js';
import { openRecipeDataset } from '../train/recipe-data.js';
import { loadResumedRecipe, requireNoTraining } from '../train/resume.js';
import { Trainer } from '../train/trainer.js';
import { type CommandContext, exitCodes } from './context.js';

export interface TrainFlags extends DeviceOptions {
  readonly out: string;
  readonly data?: string;
  readonly resume?: boolean;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** `ocrnet train` */
export async function train(
  name: string,
  { out, data, resume = false, set = [], json = false, ...runtime }: TrainFlags,
  { terminal, signal }: CommandContext,
): Promise<number> {
  const toResume = (folder: string) => resumeCommand(folder, data);
  if (!resume) await requireNoTraining(out, toResume);
  const recipe = resume ? await loadResumedRecipe(out, name, set, toResume) : loadRecipe(name, { set });
  const dataset = await openRecipeDataset(recipe, data);
  using progress = new TrainingProgress(json ? { ...terminal, watched: false } : terminal);
  await using trainer = await Trainer.open({ recipe, dataset, folder: out, resume, signal, ...runtime });
  let evaluation: EventOf<'evaluation'> | undefined;
  for await (const event of trainer) {
    progress.log(event);
    if (event.type === 'evaluation') evaluation = event;
  }
  const { step, totalSteps } = trainer;
  if (step < totalSteps) {
    progress.terminal.note(`stopped after step ${step} of ${totalSteps}; to go on: ${toResume(out)}`);
    return exitCodes.interrupted;
  }
  const files = {
    model: join(out, 'model.safetensors'),
    report: join(out, 'report.html'),
    log: join(out, 'log.jsonl'),
  };
  progress.terminal.print(
    json
      ? JSON.stringify({ recipe: recipe.name, steps: step, ...resultOf(evaluation), ...files }, undefined, 2)
      : describe(evaluation, files),
  );
  return exitCodes.success;
}

/** Of the last step; none where a training that was finished is resumed. */
function resultOf(evaluation: EventOf<'evaluation'> | undefined) {
  if (!evaluation) return undefined;
  const { miou, pixelAccuracy, meanAccuracy, perClass } = evaluation;
  return { miou, pixelAccuracy, meanAccuracy, perClass };
}

function describe(
  evaluation: EventOf<'evaluation'> | undefined,
  { model, report, log }: Readonly<Record<'model' | 'report' | 'log', string>>,
): string {
  return [
    ...(evaluation
      ? [
          `mIoU            ${formatShare(evaluation.miou)}`,
          `pixel accuracy  ${formatShare(evaluation.pixelAccuracy)}`,
        ]
      : []),
    `report          ${report}`,
    `log             ${log}`,
    `model           ${model}`,
    `to use it       ocrnet segment PICTURE --model ${quoted(model)}`,
  ].join('\n');
}

/** The recipe in the folder has all that was set. */
const resumeCommand = (out: string, data: string | undefined): string =>
  [
    `ocrnet train ${quoted(join(out, 'recipe.yaml'))}`,
    ...(data === undefined ? [] : [`--data ${quoted(data)}`]),
    `--out ${quoted(out)} --resume`,
  ].join(' ');

/** A path as shells read it. */
const quoted = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

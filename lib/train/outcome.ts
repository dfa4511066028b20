import { join } from 'node:path';
import type { Split } from '../data/dataset.js';
import type { Evaluation } from '../evaluate/evaluate.js';
import { readJsonLines } from '../logging/json-lines.js';
import { hasRegions, readsLabels } from '../models/contexts/index.js';
import type { ReportExample } from '../report/report-data.js';
import { writeReport } from '../report/write-report.js';
import { evaluateModel } from '../serve/evaluate-model.js';
import type { Model } from '../serve/model.js';
import { type Recipe, recipeText } from './recipe.js';
import { networkName } from './recipe-network.js';

// What a training has come to: measured while it runs, and shown when it is over.

/** Measures a network on the pictures that the recipe wants: all, or some spread evenly over the split. */
export async function evaluateWith(
  model: Model,
  split: Split,
  { samples, flip, scales }: Recipe['evaluation'],
  { all, signal }: { readonly all: boolean; readonly signal: AbortSignal | undefined },
): Promise<Evaluation> {
  const count = all || samples === 'all' ? split.samples.length : Math.min(samples, split.samples.length);
  const some = { ...split, samples: spread(split.samples, count) };
  return await evaluateModel(model, some, { flip, scales, signal });
}

const spread = <T>(items: readonly T[], count: number): T[] =>
  Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] as T);

const shownExamples = 6;

export interface Outcome {
  readonly model: Model;
  readonly split: Split;
  readonly data: string;
  readonly recipe: Recipe;
  readonly evaluation: Evaluation | undefined;
}

/** Writes report.html into a training's folder, from its log and a few pictures. */
export async function writeTrainingReport(folder: string, outcome: Outcome): Promise<void> {
  const { model, split, data, recipe, evaluation } = outcome;
  const examples: ReportExample[] = [];
  const { context } = model.config;
  // A network that is told the truth has nothing to show for pictures alone.
  if (!readsLabels(context))
    for (const sample of spread(split.samples, Math.min(shownExamples, split.samples.length))) {
      const { image, label } = await sample.read();
      const picture = { ...image, channels: 3 } as const;
      if (hasRegions(context)) {
        examples.push((await model.explain(picture)).example(sample.name, label.labels));
        continue;
      }
      const { labels: prediction } = await model.segment(picture);
      examples.push({ name: sample.name, image, truth: label.labels, prediction });
    }
  await writeReport(join(folder, 'report.html'), {
    title: recipe.name,
    model: networkName(recipe),
    data,
    recipe: recipeText(recipe),
    classes: split.classes,
    events: readJsonLines(join(folder, 'log.jsonl')),
    ...(evaluation && { evaluation }),
    examples,
  });
}

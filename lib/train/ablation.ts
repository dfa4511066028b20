import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Dataset } from '../data/dataset.js';
import { OcrnetError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import type { TrainingEvent } from '../logging/events.js';
import { suggest } from '../nearest.js';
import type { Device } from '../runtime/device.js';
import { CheckpointStore } from './checkpoints.js';
import { loadRecipe, type Recipe } from './recipe.js';
import { openRecipeDataset } from './recipe-data.js';
import { Trainer } from './trainer.js';

/**
 * Tables of the paper as trainings: rows that differ in a few settings of one recipe, each trained with the same budget from
 * several seeds, beside what the paper says.
 */
const ablationSchema = z.strictObject({
  title: z.string(),
  recipe: z.string(),
  set: z.array(z.string()).default([]),
  rows: z.array(
    z.strictObject({
      label: z.string(),
      set: z.array(z.string()).default([]),
      /** mIoU in percent by data set. */
      paper: z.record(z.string(), z.number()),
    }),
  ),
});

const folder = fileURLToPath(new URL('../../recipes/ablations', import.meta.url));

/** The tables that ocrnet brings. */
export const ablationNames = (): string[] =>
  readdirSync(folder)
    .map((file) => file.replace(/\.yaml$/, ''))
    .sort();

export interface AblationOptions {
  /** Pictures and labels, as for a training. */
  readonly data?: string;
  /** Where every training has its folder, and the table. One that was interrupted goes on. */
  readonly folder: string;
  /** By default 1, 2, 3. */
  readonly seeds?: readonly number[];
  /** Settings of all rows, as `steps=1000`. */
  readonly set?: readonly string[];
  readonly device: Device;
  readonly signal?: AbortSignal;
  readonly onEvent?: (run: { readonly label: string; readonly seed: number }, event: TrainingEvent) => void;
}

export interface AblationRow {
  readonly label: string;
  /** By seed, 0 to 1. */
  readonly miou: readonly number[];
  readonly mean: number;
  /** Standard deviation over the seeds, of the sample. */
  readonly deviation: number;
  /** What the paper reports, in percent by data set. */
  readonly paper: Readonly<Record<string, number>>;
}

export interface AblationTable {
  readonly title: string;
  readonly data: string;
  readonly steps: number;
  readonly seeds: readonly number[];
  readonly rows: readonly AblationRow[];
}

/**
 * Trains all rows of a table from all seeds and writes table.json and table.md. Trainings that are done are not repeated.
 *
 * @throws OcrnetError INVALID_ARGUMENT for an unknown table; ABORTED, with everything kept; as trainings do
 */
export async function runAblation(name: string, options: AblationOptions): Promise<AblationTable> {
  const { title, recipe, set, rows } = readAblation(name);
  const { seeds = [1, 2, 3], data } = options;
  const recipeOf = (row: { readonly set: readonly string[] }, seed: number) =>
    loadRecipe(recipe, { set: [...set, ...row.set, ...(options.set ?? []), `seed=${seed}`] });
  const first = recipeOf(rows[0] as (typeof rows)[number], 1);
  const dataset = await openRecipeDataset(first, data);
  const results = new Map<string, number[]>();
  // Seed by seed, so that an interrupted table has all rows.
  for (const seed of seeds)
    for (const row of rows) {
      const miou = await trainRow(row.label, seed, recipeOf(row, seed), dataset, options);
      results.set(row.label, [...(results.get(row.label) ?? []), miou]);
    }
  const table: AblationTable = {
    title,
    data: dataset.name,
    steps: first.steps,
    seeds,
    rows: rows.map(({ label, paper }) => ({ label, ...spreadOf(results.get(label) ?? []), paper })),
  };
  await writeFileAtomic(join(options.folder, 'table.json'), `${JSON.stringify(table, undefined, 2)}\n`);
  await writeFileAtomic(join(options.folder, 'table.md'), ablationMarkdown(table));
  return table;
}

function readAblation(name: string) {
  const path = join(folder, `${name}.yaml`);
  if (ablationNames().includes(name)) return ablationSchema.parse(parse(readFileSync(path, 'utf8')));
  throw new OcrnetError('INVALID_ARGUMENT', 'Invalid table', {
    expected: suggest('a known name', name, ablationNames()),
    received: name,
  });
}

async function trainRow(
  label: string,
  seed: number,
  recipe: Recipe,
  dataset: Dataset,
  { folder: parent, device, signal, onEvent }: AblationOptions,
): Promise<number> {
  const own = join(parent, `${label.replaceAll(' ', '-')}-${seed}`);
  const result = join(own, 'result.json');
  if (existsSync(result)) return (JSON.parse(readFileSync(result, 'utf8')) as { miou: number }).miou;
  const resume = (await new CheckpointStore(own, 1).list()).length > 0;
  let miou: number | undefined;
  await using trainer = await Trainer.open({
    recipe,
    dataset,
    folder: own,
    resume,
    device,
    ...(signal && { signal }),
  });
  for await (const event of trainer) {
    if (event.type === 'evaluation') miou = event.miou;
    onEvent?.({ label, seed }, event);
  }
  if (trainer.step < trainer.totalSteps)
    throw new OcrnetError('ABORTED', `Stopped in ${label}, seed ${seed}; the same command goes on`);
  miou ??= (await trainer.evaluate()).miou;
  await writeFileAtomic(result, `${JSON.stringify({ label, seed, steps: recipe.steps, miou })}\n`);
  return miou;
}

function spreadOf(miou: readonly number[]): Pick<AblationRow, 'miou' | 'mean' | 'deviation'> {
  const mean = miou.reduce((sum, value) => sum + value, 0) / miou.length;
  const squares = miou.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { miou, mean, deviation: miou.length > 1 ? Math.sqrt(squares / (miou.length - 1)) : 0 };
}

/** The table for people: mean and spread here, the paper's numbers beside them. */
export function ablationMarkdown({ title, data, steps, seeds, rows }: AblationTable): string {
  const percent = (value: number) => (100 * value).toFixed(1);
  const sets = [...new Set(rows.flatMap(({ paper }) => Object.keys(paper)))];
  const lines = [
    ['', 'mIoU %', 'by seed', ...sets.map((set) => `paper: ${set}`)],
    ['---', ...Array.from({ length: sets.length + 2 }, () => '---:')],
    ...rows.map(({ label, miou, mean, deviation, paper }) => [
      label,
      `${percent(mean)} ± ${percent(deviation)}`,
      miou.map(percent).join(', '),
      ...sets.map((set) => paper[set]?.toFixed(1) ?? ''),
    ]),
  ].map((cells) => `| ${cells.join(' | ')} |`);
  return [
    `# ${title}`,
    '',
    `${data}, ${steps} steps, seeds ${seeds.join(', ')}; mean and standard deviation.`,
    '',
    ...lines,
    '',
  ].join('\n');
}

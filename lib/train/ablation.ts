import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Dataset } from '../data/dataset.js';
import { OcrnetError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import type { TrainingEvent } from '../logging/events.js';
import type { Device } from '../runtime/device.js';
import { CheckpointStore } from './checkpoints.js';
import { type PaperRow, type PaperTable, readTable, tableNames } from './paper-tables.js';
import { loadRecipe, parseRecipe, type Recipe, recipeText } from './recipe.js';
import { openRecipeDataset } from './recipe-data.js';
import { configOf } from './recipe-network.js';
import { firstDifference } from './resume.js';
import { timePictures } from './time-pictures.js';
import { Trainer } from './trainer.js';

/**
 * Tables of the paper as trainings: rows that differ in a few settings of one recipe, each trained with the same budget from
 * several seeds, beside what the paper says.
 */

/** The tables that can be ablated. */
export const ablationNames = (): string[] => tableNames().filter((name) => !readTable(name).notAblated);

export interface AblationOptions {
  /** Pictures and labels, as for a training. */
  readonly data?: string;
  /** What the rows are trained by: a recipe's name or path. By default `ablation`, a small network and few steps. */
  readonly recipe?: string;
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
  /** As in `table-1/NAME`. */
  readonly name: string;
  readonly label: string;
  /** By seed, 0 to 1. */
  readonly miou: readonly number[];
  readonly mean: number;
  /** Standard deviation over the seeds, of the sample. */
  readonly deviation: number;
  /** What the paper reports, in percent by data set. */
  readonly paper: Readonly<Record<string, number>>;
  /** Of the network alone, median; in tables that tell time. */
  readonly pictureMs?: number;
  /** Pictures in a second, as the paper measured them. */
  readonly paperFps?: number;
}

export interface AblationTable {
  readonly table: string;
  readonly title: string;
  readonly data: string;
  readonly recipe: string;
  readonly steps: number;
  readonly seeds: readonly number[];
  /** Of the pictures that `pictureMs` is about. */
  readonly timed?: { readonly width: number; readonly height: number; readonly device: string };
  readonly rows: readonly AblationRow[];
}

/**
 * Trains all rows of a table from all seeds and writes table.json and table.md. Trainings that are done are not repeated.
 *
 * @throws OcrnetError INVALID_ARGUMENT for an unknown table, and for a folder with trainings by another recipe; ABORTED, with
 * everything kept; as trainings do
 */
export async function runAblation(name: string, options: AblationOptions): Promise<AblationTable> {
  const table = readAblation(name);
  const { seeds = [1, 2, 3], data, recipe = 'ablation', set = [] } = options;
  const recipeOf = (row: PaperRow, seed: number) =>
    loadRecipe(recipe, {
      changes: [{ name: `${name}/${row.name}` }, table.ablation, row.ablation ?? row.set],
      set: [...set, `seed=${seed}`],
    });
  const [first, ...others] = table.rows.map((row) => recipeOf(row, 1)) as [Recipe, ...Recipe[]];
  const dataset = await openRecipeDataset(first, data);
  const results = new Map<string, number[]>();
  // Seed by seed, so that an interrupted table has all rows.
  for (const seed of seeds)
    for (const row of table.rows) {
      const miou = await trainRow(row, seed, recipeOf(row, seed), dataset, options);
      results.set(row.name, [...(results.get(row.name) ?? []), miou]);
    }
  const times = table.measures === 'time' ? await timesOf([first, ...others], dataset, options) : undefined;
  const result: AblationTable = {
    table: name,
    title: table.title,
    data: dataset.name,
    recipe,
    steps: first.steps,
    seeds,
    ...(times && { timed: times.timed }),
    rows: table.rows.map(({ name, label, paper, paperFps }, i) => ({
      name,
      label,
      ...spreadOf(results.get(name) ?? []),
      paper,
      ...(times && { pictureMs: times.ms[i] as number }),
      ...(paperFps !== undefined && { paperFps }),
    })),
  };
  await writeFileAtomic(join(options.folder, 'table.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  await writeFileAtomic(join(options.folder, 'table.md'), ablationMarkdown(result));
  return result;
}

function readAblation(name: string): PaperTable {
  const table = readTable(name);
  if (table.notAblated === undefined) return table;
  throw new OcrnetError('INVALID_ARGUMENT', `${name} is no ablation: ${table.notAblated}`, {
    expected: `one of ${ablationNames().join(', ')}`,
    received: name,
  });
}

const resultSchema = z.object({ miou: z.number(), recipe: z.string().optional() });

async function trainRow(
  { name, label }: PaperRow,
  seed: number,
  recipe: Recipe,
  dataset: Dataset,
  { folder: parent, device, signal, onEvent }: AblationOptions,
): Promise<number> {
  const own = join(parent, `${name}-${seed}`);
  const path = join(own, 'result.json');
  if (existsSync(path)) {
    const result = resultSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    requireSameRecipe(own, result.recipe, recipe);
    return result.miou;
  }
  const begun = (await new CheckpointStore(own, 1).list()).at(-1);
  requireSameRecipe(own, begun?.recipe, recipe);
  let miou: number | undefined;
  await using trainer = await Trainer.open({
    recipe,
    dataset,
    folder: own,
    resume: begun !== undefined,
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
  await writeFileAtomic(path, `${JSON.stringify({ label, seed, miou, recipe: recipeText(recipe) })}\n`);
  return miou;
}

/** A folder's trainings are those of one budget: what is there already must have been trained as the rest will be. */
function requireSameRecipe(folder: string, before: string | undefined, now: Recipe): void {
  const difference = before === undefined ? undefined : firstDifference(parseRecipe(before, folder), now);
  if (difference)
    throw new OcrnetError(
      'INVALID_ARGUMENT',
      `${folder} was trained with another recipe: ${difference.key}`,
      {
        expected: `${difference.before} as before, or another folder`,
        received: difference.now,
      },
    );
}

/** Networks of all rows on one picture of the data, in turn. What weights they have does not matter. */
async function timesOf(recipes: readonly Recipe[], dataset: Dataset, { device, signal }: AblationOptions) {
  const [first] = recipes as [Recipe];
  const [sample] = (await dataset.split(first.data.val)).samples;
  if (!sample) return undefined;
  const { image } = await sample.read();
  const configs = recipes.map((recipe) => configOf(recipe, dataset.classes.length));
  const ms = await timePictures(configs, image, { device, signal });
  return { timed: { width: image.width, height: image.height, device: device.name }, ms };
}

function spreadOf(miou: readonly number[]): Pick<AblationRow, 'miou' | 'mean' | 'deviation'> {
  const mean = miou.reduce((sum, value) => sum + value, 0) / miou.length;
  const squares = miou.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { miou, mean, deviation: miou.length > 1 ? Math.sqrt(squares / (miou.length - 1)) : 0 };
}

/** The table for people: mean and spread here, the paper's numbers beside them. */
export function ablationMarkdown({ title, data, recipe, steps, seeds, timed, rows }: AblationTable): string {
  const percent = (value: number) => (100 * value).toFixed(1);
  const sets = [...new Set(rows.flatMap(({ paper }) => Object.keys(paper)))].map((set) => ({
    set,
    digits: digitsOf(rows.map(({ paper }) => paper[set] ?? 0)),
  }));
  const hasFps = rows.some(({ paperFps }) => paperFps !== undefined);
  const titles = [
    ...['', 'mIoU %', 'by seed'],
    ...(timed ? ['ms a picture'] : []),
    ...sets.map(({ set }) => `paper: ${set}`),
    ...(hasFps ? ['paper: frames/s'] : []),
  ];
  const lines = [
    titles,
    ['---', ...titles.slice(1).map(() => '---:')],
    ...rows.map(({ label, miou, mean, deviation, paper, pictureMs, paperFps }) => [
      label,
      `${percent(mean)} ± ${percent(deviation)}`,
      miou.map(percent).join(', '),
      ...(timed ? [pictureMs?.toFixed(1) ?? ''] : []),
      ...sets.map(({ set, digits }) => paper[set]?.toFixed(digits) ?? ''),
      ...(hasFps ? [`${paperFps ?? ''}`] : []),
    ]),
  ].map((cells) => `| ${cells.join(' | ')} |`);
  const times = timed
    ? ` Times are those of the network alone at ${timed.width}×${timed.height}, ${timed.device}.`
    : '';
  return [
    `# ${title}`,
    '',
    `${data}, recipe ${recipe}, ${steps} steps, seeds ${seeds.join(', ')}; mean and standard deviation.${times}`,
    '',
    ...lines,
    '',
  ].join('\n');
}

/** As many as the paper prints in this column. */
const digitsOf = (values: readonly number[]): number =>
  values.every((value) => Math.abs(10 * value - Math.round(10 * value)) < 1e-6) ? 1 : 2;

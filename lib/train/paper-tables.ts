import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { OcrnetError } from '../errors.js';
import { suggest } from '../nearest.js';
import type { Mapping } from './recipe-file.js';

/**
 * The tables of the paper, in recipes/ablations. A row says in what it differs from the paper's own recipe, which there is one of
 * for each data set: `table-2/ppm@ade20k` is that recipe with these differences. The same differences over another recipe, the
 * same for all rows, make an ablation (ablation.ts).
 */

/** Part of a recipe, as a file would have it. */
const settings = z.record(z.string(), z.unknown());

const recipesByData = z.record(z.string(), z.string());

const rowSchema = z.strictObject({
  /** As in `table-1/NAME`. */
  name: z.string(),
  /** As the paper calls it. */
  label: z.string(),
  set: settings.default({}),
  /** Instead of `set` where the row is ablated. */
  ablation: settings.optional(),
  /** Instead of the table's. */
  recipes: recipesByData.optional(),
  /** mIoU in percent by data set. */
  paper: z.record(z.string(), z.number()).default({}),
  /** Pictures in a second, as the paper measured them. */
  paperFps: z.number().optional(),
});

const tableSchema = z.strictObject({
  title: z.string(),
  /** The paper's own network and settings by data set; the first is meant where none is named. */
  recipes: recipesByData,
  /** What the recipe of an ablation takes over before the rows' settings. */
  ablation: settings.default({}),
  /** Why `ocrnet ablate` has nothing to do with it. */
  notAblated: z.string().optional(),
  /** What is measured beside mIoU. */
  measures: z.literal('time').optional(),
  rows: z.array(rowSchema).min(1),
});

export type PaperRow = Readonly<z.infer<typeof rowSchema>>;
export type PaperTable = Readonly<z.infer<typeof tableSchema>> & { readonly name: string };

const folder = fileURLToPath(new URL('../../recipes/ablations', import.meta.url));

/** `figure-1`, `table-1`, … */
export const tableNames = (): string[] =>
  readdirSync(folder)
    .map((file) => file.replace(/\.yaml$/, ''))
    .sort();

export const tablePath = (name: string): string => join(folder, `${name}.yaml`);

/** @throws OcrnetError INVALID_ARGUMENT for an unknown name, with the nearest ones */
export function readTable(name: string): PaperTable {
  const names = tableNames();
  if (names.includes(name))
    return { name, ...tableSchema.parse(parse(readFileSync(tablePath(name), 'utf8'))) };
  throw new OcrnetError('INVALID_ARGUMENT', 'Invalid table', {
    expected: suggest('a known name', name, names),
    received: name,
  });
}

/** One configuration of the paper: a recipe and what it differs in. */
export interface Configuration {
  /** `table-2/ppm`, or `table-2/ppm@ade20k` for another data set than the row's first. */
  readonly name: string;
  readonly table: string;
  readonly recipe: string;
  readonly set: Mapping;
}

/** All configurations of a table, by row and data set. */
export const configurationsOf = (table: PaperTable): Configuration[] =>
  table.rows.flatMap(({ name, set, recipes = table.recipes }) =>
    Object.entries(recipes).map(([data, recipe], i) => ({
      name: `${table.name}/${name}${i === 0 ? '' : `@${data}`}`,
      table: table.name,
      recipe,
      set,
    })),
  );

/** Every configuration of the paper that has a name. */
export const configurationNames = (): string[] =>
  tableNames().flatMap((table) => configurationsOf(readTable(table)).map(({ name }) => name));

/** Whether this is written as a configuration's name is. */
export const isConfiguration = (name: string): boolean => /^[\w-]+\/[\w-]+(@[\w-]+)?$/.test(name);

/**
 * The configuration of a name. The first data set may be named, too.
 *
 * @param refuse - makes the error from what was expected: the nearest table, row or data set
 */
export function findConfiguration(given: string, refuse: (expected: string) => OcrnetError): Configuration {
  const [path, data] = given.split('@') as [string, string | undefined];
  const [tableName, rowName] = path.split('/') as [string, string];
  const names = tableNames();
  if (!names.includes(tableName)) throw refuse(suggest('a table of the paper', tableName, names));
  const table = readTable(tableName);
  const row = table.rows.find(({ name }) => name === rowName);
  if (!row)
    throw refuse(
      suggest(
        `a row of ${tableName}`,
        path,
        table.rows.map(({ name }) => `${tableName}/${name}`),
      ),
    );
  const configurations = configurationsOf({ ...table, rows: [row] });
  const datasets = Object.keys(row.recipes ?? table.recipes);
  const found = configurations[data === undefined ? 0 : datasets.indexOf(data)];
  if (found) return found;
  throw refuse(suggest(`a data set of ${path}`, data ?? '', datasets));
}

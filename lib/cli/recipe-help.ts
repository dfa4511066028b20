import { readTable, tableNames } from '../train/paper-tables.js';
import { recipeNames } from '../train/recipe-file.js';

/** What `ocrnet train --help` says of the recipes that there are. */
export function recipeHelp(): string {
  const files = recipeNames().filter((name) => !name.includes('/'));
  const tables = tableNames().map((name) => {
    const { rows, recipes } = readTable(name);
    const [, ...others] = new Set([recipes, ...rows.map((row) => row.recipes ?? {})].flatMap(Object.keys));
    const data = others.length > 0 ? `\n             also ${others.map((one) => `@${one}`).join(' ')}` : '';
    return `  ${name.padEnd(9)}  ${rows.map((row) => row.name).join(', ')}${data}`;
  });
  return [
    '',
    'Recipes:',
    ...files.map((name) => `  ${name}`),
    '',
    'Configurations of the paper, as table-1/da-scheme, or table-2/ppm@ade20k for another data set:',
    ...tables,
  ].join('\n');
}

/** What `ocrnet ablate --help` says of the tables that there are. */
export function tableHelp(): string {
  const tables = tableNames().map(readTable);
  const lines = tables
    .filter(({ notAblated }) => !notAblated)
    .map(({ name, rows }) => `  ${name.padEnd(9)}  ${rows.map(({ label }) => label).join(', ')}`);
  return ['', 'Tables:', ...lines].join('\n');
}

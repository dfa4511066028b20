/** Cells that are numbers are aligned right: all but the first column. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = titles.map((_, i) => (i === 0 ? '---' : '---:'));
  return [titles, rule, ...rows].map(line).join('\n');
}

export const list = (items: readonly string[]): string => items.map((item) => `- ${item}`).join('\n');

/** In MiB, without the unit, which stands at the column's head. */
export function mebibytes(bytes: number): string {
  const value = bytes / 2 ** 20;
  return value.toFixed(value < 10 ? 1 : 0);
}

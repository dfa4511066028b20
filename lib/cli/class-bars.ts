import type { ClassInfo } from '../image/class-info.js';
import type { Segmentation } from '../serve/segmentation.js';
import { formatShare } from '../terminal/format.js';

const barWidth = 30;

/** A share from 0 to 1 as a bar in a class's colour, in a field of fixed width; what is not nothing is seen. */
export function classBar(share: number, colour: ClassInfo['colour'], colours: boolean): string {
  const length = share > 0 ? Math.max(1, Math.round(share * barWidth)) : 0;
  const bar = '█'.repeat(length).padEnd(barWidth);
  return colours ? `\u001b[38;2;${colour.join(';')}m${bar}\u001b[39m` : bar;
}

/** The share of each class that occurs, the largest first, as lines with a bar in the class's colour. */
export function classBars(segmentation: Segmentation, { colours }: { colours: boolean }): string[] {
  const shares = segmentation.shares();
  const rows = segmentation.classes
    .map((info, label) => ({ ...info, share: shares[label] as number }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share);
  const nameWidth = Math.max(...rows.map(({ name }) => name.length));
  return rows.map(
    ({ name, colour, share }) =>
      `  ${name.padEnd(nameWidth)}  ${classBar(share, colour, colours)} ${formatShare(share).padStart(7)}`,
  );
}

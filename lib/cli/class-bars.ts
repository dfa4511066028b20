import type { Segmentation } from '../serve/segmentation.js';
import { formatShare } from '../terminal/format.js';

const barWidth = 30;

/** The share of each class that occurs, the largest first, as lines with a bar in the class's colour. */
export function classBars(segmentation: Segmentation, { colours }: { colours: boolean }): string[] {
  const shares = segmentation.shares();
  const rows = segmentation.classes
    .map((info, label) => ({ ...info, share: shares[label] as number }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share);
  const nameWidth = Math.max(...rows.map(({ name }) => name.length));
  return rows.map(({ name, colour, share }) => {
    const bar = '█'.repeat(Math.max(1, Math.round(share * barWidth))).padEnd(barWidth);
    const painted = colours ? `\u001b[38;2;${colour.join(';')}m${bar}\u001b[39m` : bar;
    return `  ${name.padEnd(nameWidth)}  ${painted} ${formatShare(share).padStart(7)}`;
  });
}

import type { ClassInfo } from '../image/class-info.js';
import { formatShare } from '../terminal/format.js';
import { type Html, html } from './html.js';

export interface RelationChart {
  readonly classes: readonly ClassInfo[];
  /** (K): what a pixel takes of each region. */
  readonly relation: Float32Array;
  /** The pixel's class, whose name is bold. */
  readonly label?: number;
}

/** Of more classes the largest have a bar, and the others one together. */
const mostBars = 12;
const width = 420;
const row = 26;
/** Of names and of values. */
const margin = { left: 124, right: 62 };

/** Bars over the classes of whose regions a pixel takes most, the largest first: SVG that takes its ink from the page. */
export const relationChart = (chart: RelationChart): Html =>
  html`<figure class="chart">
${drawing(chart)}</figure>
`;

/** The same as a file of its own, on white. */
export const relationSvg = (chart: RelationChart): string =>
  drawing(chart).text.replace(
    '<svg ',
    '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" color="#1c1e22" style="background: white" ',
  );

function drawing({ classes, relation, label }: RelationChart): Html {
  const bars = barsOf({ classes, relation });
  const height = row * bars.length + 8;
  const longest = Math.max(...bars.map(({ share }) => share), 1e-6);
  const room = width - margin.left - margin.right;
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="What the pixel takes of each object region">
${bars.map(({ name, colour, share, label: own }, i) => {
  const top = 4 + row * i;
  const length = Math.max(1, Math.round((10 * room * share) / longest) / 10);
  return html`<text x="${margin.left - 10}" y="${top + 17}" text-anchor="end" font-size="12" font-weight="${own !== undefined && own === label ? 700 : 400}" fill="currentColor">${name}</text>
<rect x="${margin.left}" y="${top + 4}" width="${length}" height="${row - 8}" rx="3" fill="rgb(${colour.join(',')})" stroke="currentColor" stroke-opacity="0.25"></rect>
<text x="${margin.left + length + 8}" y="${top + 17}" font-size="12" fill="currentColor">${formatShare(share)}</text>
`;
})}</svg>
`;
}

interface Bar extends ClassInfo {
  readonly share: number;
  readonly label?: number;
}

function barsOf({ classes, relation }: RelationChart): Bar[] {
  const bars: Bar[] = classes
    .map((info, label) => ({ ...info, label, share: relation[label] as number }))
    .sort((a, b) => b.share - a.share);
  if (bars.length <= mostBars) return bars;
  const others = bars.splice(mostBars - 1);
  const share = others.reduce((sum, bar) => sum + bar.share, 0);
  return [...bars, { name: `${others.length} others`, colour: [150, 150, 150], share }];
}

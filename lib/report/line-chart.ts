import { axisOver, formatTick } from './axis.js';
import { type Html, html } from './html.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface LineChart {
  readonly title: string;
  readonly points: readonly Point[];
  /** The line is drawn through an average, over a faint one through all points. */
  readonly smooth?: boolean;
  /** Marks every point. For few. */
  readonly dots?: boolean;
  /** The axis begins at 0. */
  readonly fromZero?: boolean;
  readonly format?: (value: number) => string;
}

const [width, height] = [420, 236];
const plot = { left: 46, right: 20, top: 12, bottom: 26 };
/** More points than pixels tell nothing more. */
const mostPoints = 400;

/** A curve over the steps of a training, as SVG that takes its colours from the page. */
export function lineChart({ title, points, smooth, dots, fromZero, format = formatTick }: LineChart): Html {
  const finite = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const drawn = thinned(finite);
  const averages = smooth ? thinned(averaged(finite)) : drawn;
  const horizontal = axisOver(
    finite.map(({ x }) => x),
    5,
    { zero: true },
  );
  const vertical = axisOver(
    // A first loss far above all others would press the rest flat: the axis is for the averages, the rest is cut off.
    (smooth && finite.length > 20 ? averages : drawn).map(({ y }) => y),
    4,
    { zero: fromZero === true },
  );
  const x = (value: number) =>
    plot.left +
    ((value - horizontal.from) / (horizontal.to - horizontal.from)) * (width - plot.left - plot.right);
  const y = (value: number) =>
    height -
    plot.bottom -
    ((value - vertical.from) / (vertical.to - vertical.from)) * (height - plot.top - plot.bottom);
  const path = (line: readonly Point[]) =>
    line.map((point, i) => `${i === 0 ? 'M' : 'L'}${fixed(x(point.x))} ${fixed(y(point.y))}`).join('');
  const last = averages.at(-1);
  const clip = `plot-${title.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
  return html`<figure class="chart">
<figcaption>${title}${last ? html`<b>${format(last.y)}</b>` : undefined}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title} over the steps of the training">
<clipPath id="${clip}"><rect x="${plot.left}" y="${plot.top - 6}" width="${width - plot.left}" height="${height - plot.top - plot.bottom + 6}"></rect></clipPath>
${vertical.ticks.map(
  (
    tick,
  ) => html`<line class="grid" x1="${plot.left}" x2="${width - plot.right}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"></line>
<text class="tick" text-anchor="end" x="${plot.left - 8}" y="${fixed(y(tick) + 3.5)}">${format(tick)}</text>
`,
)}${horizontal.ticks.map(
  (
    tick,
  ) => html`<text class="tick" text-anchor="middle" x="${fixed(x(tick))}" y="${height - 8}">${formatTick(tick)}</text>
`,
)}<g clip-path="url(#${clip})">
${smooth ? html`<path class="line faint" d="${path(drawn)}"></path>` : undefined}<path class="line" d="${path(averages)}"></path>
${dots ? drawn.map((point) => html`<circle class="dot" r="3" cx="${fixed(x(point.x))}" cy="${fixed(y(point.y))}"><title>step ${point.x}: ${format(point.y)}</title></circle>`) : undefined}</g>
</svg>
</figure>
`;
}

const fixed = (value: number): string => String(Math.round(10 * value) / 10);

/** Keeps of each stretch its lowest and its highest point, so that peaks stay. */
function thinned(points: readonly Point[]): Point[] {
  if (points.length <= mostPoints) return [...points];
  const result: Point[] = [];
  const stretch = (2 * points.length) / mostPoints;
  for (let from = 0; from < points.length; from += stretch) {
    const part = points.slice(Math.floor(from), Math.floor(from + stretch));
    const byHeight = [...part].sort((a, b) => a.y - b.y);
    const ends = [byHeight[0], byHeight.at(-1)].filter((point) => point !== undefined);
    result.push(...[...new Set(ends)].sort((a, b) => a.x - b.x));
  }
  return result;
}

/** A running average over about a hundredth of all points. */
function averaged(points: readonly Point[]): Point[] {
  const weight = Math.min(1, 100 / Math.max(1, points.length));
  let average = 0;
  let seen = 0;
  return points.map(({ x, y }) => {
    average += weight * (y - average);
    seen += weight * (1 - seen);
    // Early averages lack the points before them; without this they would begin at 0.
    return { x, y: average / seen };
  });
}

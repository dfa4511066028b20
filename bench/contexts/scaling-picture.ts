import { type Html, html } from '../../lib/report/html.js';
import { formatMs } from '../../lib/terminal/format.js';
import { mebibytes } from '../markdown.js';
import { bar, fixed, label, legend, rule, svg, timeTick } from '../picture.js';
import { formatExponent, type PowerLaw, type Sample } from '../power-law.js';
import { whereabouts } from './about.js';
import type { Measured, ScalingAbout, ScalingResult } from './scaling.js';

const [width, margin, axisRoom, gap, top, plotHeight, between] = [1320, 48, 72, 14, 178, 216, 98];
const footer = 96;

/** A quantity, drawn in one row of small charts. */
interface Row {
  readonly title: string;
  readonly quantity: 'time' | 'memory';
  readonly of: (measured: Measured) => number;
  readonly format: (value: number) => string;
  readonly formatTick: (power: number) => string;
}

const mebi = 2 ** 20;
const rows: readonly Row[] = [
  {
    title: 'Time',
    quantity: 'time',
    of: ({ medianMs }) => medianMs,
    format: formatMs,
    formatTick: timeTick,
  },
  {
    title: 'Memory beyond input and weights',
    quantity: 'memory',
    of: ({ measuredBytes }) => measuredBytes / mebi,
    format: (value) => `${mebibytes(value * mebi)} MiB`,
    formatTick: (value) => `${value} MiB`,
  },
];

/** Time and memory of each module over the pixels of its input, all axes logarithmic and shared. */
export function scalingPicture(results: readonly ScalingResult[], about: ScalingAbout): string {
  const height = top + rows.length * (plotHeight + between) - between + footer;
  const withPeer = results.some(({ exponents }) => exponents.pytorch);
  const channels = [...new Set(results.map((result) => result.channels))].join(', ');
  return svg(
    {
      width,
      height,
      description: `Growth of ${results.length} context modules with the size of their input`,
    },
    [
      label('title', margin, 58, 'How context grows'),
      label(
        'soft',
        margin,
        82,
        `Each module alone, on square maps of ${channels} channels, over their pixels, ${whereabouts(about)}`,
      ),
      legend(margin, 111, [
        [bar('ours', 0, -9, 22, 9), 'ocrnet'],
        ...(withPeer ? [[bar('peer', 0, -9, 22, 9), 'PyTorch'] as const] : []),
      ]),
      rows.map((row, i) => drawRow(row, results, top + i * (plotHeight + between))),
      [
        'All axes are logarithmic. N is the number of pixels, its exponent fitted to the upper half of the sizes: N grows as the map does, N² as its pairs of pixels.',
        `A line ends where one run would take longer than ${about.limitMs / 1000} s, or more memory than there is. Nothing is extrapolated.`,
      ].map((line, i) => label('small', margin, height - 44 + 18 * i, line)),
    ],
  );
}

interface Line {
  readonly owner: 'ours' | 'peer';
  /** By the side of the map. */
  readonly samples: readonly Sample[];
  readonly law: PowerLaw | undefined;
}

/** Ours last, above the other. */
function linesOf({ of, quantity }: Row, { points, exponents }: ScalingResult): Line[] {
  const theirs = points.flatMap(({ side, pytorch }) => (pytorch ? [{ x: side, y: of(pytorch) }] : []));
  const ours = points.map((point) => ({ x: point.side, y: of(point) }));
  const lines: readonly Line[] = [
    { owner: 'peer', samples: theirs, law: exponents.pytorch?.[quantity] },
    { owner: 'ours', samples: ours, law: exponents.ours[quantity] },
  ];
  return lines
    .map((line) => ({ ...line, samples: line.samples.filter(({ y }) => y > 0) }))
    .filter(({ samples }) => samples.length > 0);
}

function drawRow(row: Row, results: readonly ScalingResult[], y: number): Html[] {
  const charts = results.map((result) => ({ module: result.module, lines: linesOf(row, result) }));
  const samples = charts.flatMap(({ lines }) => lines.flatMap((line) => line.samples));
  const vertical = decades(
    samples.map((sample) => sample.y),
    y + plotHeight,
    y,
  );
  const sides = [...new Set(samples.map(({ x }) => x))].sort((a, b) => a - b);
  const plotWidth = (width - 2 * margin - axisRoom - (results.length - 1) * gap) / results.length;
  return [
    label('head', margin, y - 34, row.title),
    ...vertical.ticks.map((tick) =>
      label('small end', margin + axisRoom - 12, vertical.at(tick) + 4, row.formatTick(tick)),
    ),
    ...charts.flatMap(({ module, lines }, i) => {
      const left = margin + axisRoom + i * (plotWidth + gap);
      const at = logarithmic(sides, left + 14, left + plotWidth - 14);
      return [
        html`<rect class="card" x="${fixed(left)}" y="${y}" width="${fixed(plotWidth)}" height="${plotHeight}" rx="8"/>
`,
        ...vertical.ticks.map((tick) => rule(left, left + plotWidth, vertical.at(tick))),
        ...sides.map((side) => label('small middle', at(side), y + plotHeight + 17, `${side}²`)),
        label('name middle', left + plotWidth / 2, y - 12, module),
        ...lines.flatMap((line) => drawLine(line, at, vertical.at, row.format)),
        ...exponents(lines, left + 12, y + 22),
      ];
    }),
  ];
}

type Scale = (value: number) => number;

function drawLine({ owner, samples }: Line, x: Scale, y: Scale, format: Row['format']): Html[] {
  const path = samples.map(
    (sample, i) => `${i === 0 ? 'M' : 'L'}${fixed(x(sample.x))} ${fixed(y(sample.y))}`,
  );
  return [
    html`<path class="line of-${owner}" d="${path.join('')}"/>
`,
    ...samples.map(
      (
        sample,
      ) => html`<circle class="${owner}" cx="${fixed(x(sample.x))}" cy="${fixed(y(sample.y))}" r="3.4"><title>${sample.x}²: ${format(sample.y)}</title></circle>
`,
    ),
  ];
}

/** Ours first, in the upper left corner, where no growing line passes. */
function exponents(lines: readonly Line[], x: number, y: number): Html[] {
  return lines.toReversed().flatMap(({ owner, law }, i) =>
    law
      ? [
          html`<text class="exponent ${owner}" x="${fixed(x)}" y="${fixed(y + 19 * i)}">N<tspan class="raised" dy="-5">${formatExponent(law)}</tspan></text>
`,
        ]
      : [],
  );
}

/** From the least value to the largest. */
function logarithmic(values: readonly number[], from: number, to: number): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = Math.log(most / least) || 1;
  return (value) => from + (Math.log(value / least) / span) * (to - from);
}

/** From a power of ten to another, and those between. Of no values, any. */
function decades(
  values: readonly number[],
  from: number,
  to: number,
): { readonly at: Scale; readonly ticks: readonly number[] } {
  if (values.length === 0) return decades([1], from, to);
  const first = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
  return { at: logarithmic([10 ** first, 10 ** last], from, to), ticks };
}

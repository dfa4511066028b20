import { type Axis, axisOver, formatTick } from '../../lib/report/axis.js';
import { type Html, html } from '../../lib/report/html.js';
import { formatMs } from '../../lib/terminal/format.js';
import { mebibytes } from '../markdown.js';
import { bar, diamond, fixed, label, legend, rule, svg, timeTick } from '../picture.js';
import { type About, whereabouts } from './about.js';
import type { ModuleResult } from './measure.js';
import { formatInput, paperSize } from './modules.js';

/** One of the three columns: what each row has of a quantity. Numbers are in the unit of the axis. */
interface Column {
  readonly title: string;
  readonly subtitle: string;
  readonly ours: (result: ModuleResult) => number;
  /** Without the compiler's algebra, where that is another plan. */
  readonly plain: (result: ModuleResult) => number | undefined;
  readonly peer: (result: ModuleResult) => number | undefined;
  readonly paper: (result: ModuleResult) => number;
  readonly format: (value: number) => string;
  readonly formatTick?: (value: number) => string;
  /** Behind the paper's number. */
  readonly paperRemark?: string;
  /** Whether the paper's numbers are those of another machine, whatever the input. */
  readonly ofMachine?: true;
}

const mebi = 2 ** 20;
const columns: readonly Column[] = [
  {
    title: 'Time',
    subtitle: 'median of all runs',
    ours: ({ medianMs }) => medianMs,
    plain: ({ plain }) => plain?.medianMs,
    peer: ({ pytorch }) => pytorch?.medianMs,
    paper: ({ paper }) => paper.ms,
    format: formatMs,
    formatTick: timeTick,
    paperRemark: ' on its GPU',
    ofMachine: true,
  },
  {
    title: 'Memory',
    subtitle: 'MiB beyond input and weights',
    ours: ({ measuredBytes }) => measuredBytes / mebi,
    plain: ({ plain }) => plain && plain.measuredBytes / mebi,
    peer: ({ pytorch }) => pytorch && pytorch.measuredBytes / mebi,
    paper: ({ paper }) => paper.memoryBytes / mebi,
    format: (value) => `${mebibytes(value * mebi)} MiB`,
  },
  {
    title: 'Operations',
    subtitle: 'GFLOP, 2 × multiply-adds',
    ours: ({ flopsExecuted }) => flopsExecuted / 1e9,
    plain: ({ plain }) => plain && plain.flopsExecuted / 1e9,
    peer: () => undefined,
    paper: ({ paper }) => paper.flops / 1e9,
    format: (value) => value.toFixed(value < 100 ? 1 : 0),
  },
];

const [width, margin, names, gap, top, rowHeight, bottom] = [1320, 48, 160, 34, 190, 74, 78];
const columnWidth = (width - 2 * margin - names - columns.length * gap) / columns.length;
/** What is left at the right of the longest bar, for its number. */
const room = 96;

/** Time, memory and operations of all modules side by side: ours, PyTorch's, the paper's. The fastest stands first. */
export function complexityPicture(results: readonly ModuleResult[], about: About): string {
  const rows = results.toSorted((a, b) => a.medianMs - b.medianMs);
  const height = top + rows.length * rowHeight + bottom;
  const inputs = [...new Set(rows.map(({ input }) => input))].join(', ');
  const peer = rows.find(({ pytorch }) => pytorch)?.pytorch?.peer;
  const hasPlain = rows.some(({ plain }) => plain);
  const likePaper = rows.every(({ input }) => input === formatInput(paperSize));
  return svg(
    { width, height, description: `Time, memory and operations of ${rows.length} context modules` },
    [
      label('title', margin, 58, 'What context costs'),
      label(
        'soft',
        margin,
        82,
        `The context modules of the paper’s Table 4, each alone, on ${inputs}, ${whereabouts(about)}`,
      ),
      legend(margin, 112, [
        [bar('ours', 0, -11, 22, 13), 'ocrnet'],
        ...(hasPlain ? [[bar('tint', 0, -11, 22, 13), 'ocrnet, plain form'] as const] : []),
        ...(peer ? [[bar('peer', 0, -9, 22, 9), peer] as const] : []),
        [html`<path class="stem" d="M0 -4.5H16"/>${diamond('mark', 17, -4.5, 5)}`, 'the paper'],
      ]),
      columns.map((column, i) =>
        drawColumn(column, rows, {
          left: margin + names + gap + i * (columnWidth + gap),
          paperApart: column.ofMachine ?? !likePaper,
        }),
      ),
      rows.map((row, i) => drawName(row, top + i * rowHeight)),
      rows.slice(1).map((_, i) => rule(margin, width - margin, top + (i + 1) * rowHeight)),
      footnotes({ hasPlain, hasPeer: peer !== undefined, likePaper }).map((line, i) =>
        label('small', margin, height - 44 + 18 * i, line),
      ),
    ],
  );
}

interface Shown {
  readonly hasPlain: boolean;
  readonly hasPeer: boolean;
  readonly likePaper: boolean;
}

function footnotes({ hasPlain, hasPeer, likePaper }: Shown): string[] {
  const plain = hasPlain ? ' Light: what the same module takes without the compiler’s algebra.' : '';
  const peer = hasPeer ? ', measured in the same way on both sides; × says how many times ours' : '';
  const dashed = likePaper
    ? 'The paper’s times are those of an NVIDIA P40: dashed, to a scale of their own, since only their order can be compared.'
    : `The paper’s numbers are those of ${formatInput(paperSize)} on an NVIDIA P40: dashed, to scales of their own.`;
  return [`Shorter is better.${plain} Memory is what a first run takes${peer}.`, dashed];
}

function drawName({ module, parameters, paper }: ModuleResult, y: number): Html[] {
  const own = (parameters / 1e6).toFixed(2);
  const printed = (paper.parameters / 1e6).toFixed(1);
  return [
    label('name', margin, y + 28, module),
    label('small', margin, y + 46, `${own} M parameters`),
    // What rounds to the printed number needs no second one.
    ...(Math.abs(parameters - paper.parameters) < 0.05e6
      ? []
      : [label('small', margin, y + 61, `the paper: ${printed} M`)]),
  ];
}

interface Place {
  readonly left: number;
  /** Whether the paper's numbers have a scale of their own, on which the largest is as long as the longest bar. */
  readonly paperApart: boolean;
}

function drawColumn(column: Column, rows: readonly ModuleResult[], { left, paperApart }: Place): Html[] {
  const own = rows.flatMap((row) => [column.ours(row), column.plain(row) ?? 0, column.peer(row) ?? 0]);
  const papers = rows.map(column.paper);
  const common = paperApart ? own : [...own, ...papers];
  const most = Math.max(...common);
  const scale = (largest: number) => (value: number) => left + (value / largest) * (columnWidth - room);
  const x = scale(most);
  const paperX = paperApart ? scale(Math.max(...papers)) : x;
  return [
    html`<text x="${fixed(left)}" y="${top - 38}"><tspan class="head">${column.title}</tspan><tspan class="small" dx="8">${column.subtitle}</tspan></text>
`,
    ...drawGrid(
      axisOver(common, 4, { zero: true }),
      { most, x, end: top + rows.length * rowHeight },
      column.formatTick ?? formatTick,
    ),
    ...rows.flatMap((row, i) => [
      ...drawOwn(column, row, { left, y: top + i * rowHeight, x }),
      ...drawPaper(column, row, { left, y: top + i * rowHeight, x: paperX }, paperApart),
    ]),
  ];
}

/** To the lower end of all rows. Ticks behind the longest bar say nothing, and would stand where its number is. */
function drawGrid(
  { ticks }: Axis,
  { most, x, end }: { readonly most: number; readonly x: (value: number) => number; readonly end: number },
  format: (value: number) => string,
): Html[] {
  return ticks
    .filter((tick) => tick <= most)
    .map(
      (tick) => html`<path class="rule" d="M${fixed(x(tick))} ${top - 8}V${end}"/>
${label('small middle', x(tick), top - 13, tick === 0 ? '0' : format(tick))}`,
    );
}

interface Lane {
  readonly left: number;
  readonly y: number;
  readonly x: (value: number) => number;
}

function drawOwn(column: Column, row: ModuleResult, { left, y, x }: Lane): Html[] {
  const ours = column.ours(row);
  const plain = column.plain(row);
  const peer = column.peer(row);
  const lane = peer === undefined ? y + 18 : y + 11;
  const end = x(Math.max(ours, plain ?? 0));
  return [
    // Below ours: what is seen of it is how much it is more.
    ...(plain === undefined ? [] : [bar('tint', left, lane, x(plain) - left, 16)]),
    bar('ours', left, lane, x(ours) - left, 16),
    html`<text class="value" x="${fixed(end + 8)}" y="${lane + 12.5}">${column.format(ours)}${plainRemark(column, ours, plain)}</text>
`,
    ...(peer === undefined ? [] : drawPeer(column, peer, ours, { left, y: y + 33, x })),
  ];
}

function plainRemark({ format }: Column, ours: number, plain: number | undefined): Html | undefined {
  if (plain === undefined || format(plain) === format(ours)) return undefined;
  return html`<tspan class="small" dx="8">plain ${format(plain)}</tspan>`;
}

function drawPeer(column: Column, peer: number, ours: number, { left, y, x }: Lane): Html[] {
  return [
    bar('peer', left, y, x(peer) - left, 11),
    html`<text class="soft" x="${fixed(x(peer) + 8)}" y="${y + 10}">${column.format(peer)}<tspan class="factor" dx="8">${(peer / ours).toFixed(1)}×</tspan></text>
`,
  ];
}

function drawPaper(column: Column, row: ModuleResult, { left, y, x }: Lane, apart: boolean): Html[] {
  const paper = column.paper(row);
  const lane = column.peer(row) === undefined ? y + 51 : y + 60;
  return [
    html`<path class="${apart ? 'stem apart' : 'stem'}" d="M${fixed(left)} ${lane}H${fixed(x(paper))}"/>
`,
    diamond('mark', x(paper), lane, 4.5),
    label('small', x(paper) + 10, lane + 4, `${column.format(paper)}${column.paperRemark ?? ''}`),
  ];
}

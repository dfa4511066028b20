import { type Content, type Html, html } from '../lib/report/html.js';

/** What the benches' pictures share. An SVG stands alone: it brings its colours, for light and for dark. */

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** For readers who do not see it. */
  readonly description: string;
}

const light = {
  paper: '#fbfaf8',
  card: '#ffffff',
  ink: '#1c1e22',
  soft: '#6d717a',
  rule: '#e9e6e0',
  ours: '#24688c',
  tint: '#c3d9e6',
  peer: '#dd9a68',
  mark: '#4a4d55',
};

const dark: typeof light = {
  paper: '#131518',
  card: '#1a1d21',
  ink: '#e9e7e2',
  soft: '#969ba5',
  rule: '#2b2f35',
  ours: '#5fa9d0',
  tint: '#2c4a5c',
  peer: '#b87a4c',
  mark: '#b9bdc6',
};

/** Written out: programs that draw SVG but are no browser know no variables, and would paint all black. */
const coloursOf = ({ paper, card, ink, soft, rule, ours, tint, peer, mark }: typeof light): string => `
.paper { fill: ${paper}; }
text, .factor { fill: ${ink}; }
.soft, .small { fill: ${soft}; }
.ours, .value { fill: ${ours}; }
.tint { fill: ${tint}; }
.peer { fill: ${peer}; }
.mark { fill: ${mark}; }
.card { fill: ${card}; stroke: ${rule}; }
.rule { stroke: ${rule}; }
.stem { stroke: ${mark}; }
.line.of-ours { stroke: ${ours}; }
.line.of-peer { stroke: ${peer}; }
`;

const style = `
svg { color-scheme: light dark; }
text { font: 12px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
.title { font-size: 27px; font-weight: 650; letter-spacing: -.5px; }
.head { font-size: 15px; font-weight: 620; }
.name { font-size: 15px; font-weight: 600; }
.small { font-size: 11px; font-weight: 400; }
.value { font-size: 13px; font-weight: 650; }
.rule { fill: none; }
.stem { stroke-width: 1.5; }
.stem.apart { stroke-dasharray: 3 3; opacity: .7; }
.factor { font-weight: 620; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.exponent { font-size: 14px; font-weight: 650; }
.raised { font-size: 11px; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
${coloursOf(light)}@media (prefers-color-scheme: dark) {${coloursOf(dark)}}
`;

export function svg({ width, height, description }: Picture, content: Content): string {
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${description}">
<style>${style}</style>
<rect width="${width}" height="${height}" rx="14" class="paper"/>
${content}
</svg>
`.text;
}

/** A tenth of a pixel is enough. */
export const fixed = (value: number): number => Math.round(10 * value) / 10;

export const label = (
  classes: string,
  x: number,
  y: number,
  text: string,
): Html => html`<text class="${classes}" x="${fixed(x)}" y="${fixed(y)}">${text}</text>
`;

/** A bar that stands on its left edge, rounded at the other. */
export function bar(classes: string, x: number, y: number, width: number, height: number): Html {
  const radius = Math.min(3, width, height / 2);
  const straight = fixed(Math.max(0, width - radius));
  return html`<path class="${classes}" d="M${fixed(x)} ${fixed(y)}h${straight}q${radius} 0 ${radius} ${radius}v${fixed(height - 2 * radius)}q0 ${radius} ${-radius} ${radius}h${-straight}z"/>
`;
}

export const diamond = (classes: string, x: number, y: number, size: number): Html =>
  html`<path class="${classes}" d="M${fixed(x - size)} ${fixed(y)}l${size} ${-size}l${size} ${size}l${-size} ${size}z"/>
`;

export const rule = (from: number, to: number, y: number): Html =>
  html`<path class="rule" d="M${fixed(from)} ${fixed(y)}H${fixed(to)}"/>
`;

/** Symbols, drawn on a base line at 0 and about 22 wide, with their names, one behind the other. */
export function legend(
  x: number,
  y: number,
  entries: readonly (readonly [symbol: Html, name: string])[],
): Html[] {
  let next = x;
  return entries.map(([symbol, name]) => {
    const left = next;
    // A name's width is estimated: the reader's font is not known.
    next += 30 + 7.2 * name.length + 26;
    return html`<g transform="translate(${fixed(left)} ${y})">${symbol}${label('', 30, 0, name)}</g>
`;
  });
}

/** Of an axis of milliseconds. */
export const timeTick = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);

/** The report's style sheet. Colours are few and have names; the dark ones replace them where the reader prefers that. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1c1e22; --soft: #6d717a; --rule: #e6e3dd;
  --line: #24688c; --right: #2f7f6d; --wrong: #d0573a; --track: #efece6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131518; --card: #1a1d21; --ink: #e9e7e2; --soft: #969ba5; --rule: #2b2f35;
    --line: #74b8da; --right: #3f9c86; --wrong: #d9674a; --track: #262a30;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 56px 40px 96px; max-width: 1180px; background: var(--paper); color: var(--ink);
  font: 15px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased;
}
h1, h2, h3, p, dl, dd, figure, pre { margin: 0; }
.kind { color: var(--soft); font-size: 12px; letter-spacing: .09em; text-transform: uppercase; }
h1 { margin: 6px 0 4px; font-size: 38px; font-weight: 650; letter-spacing: -.022em; line-height: 1.15; overflow-wrap: anywhere; }
.subject { font-size: 17px; overflow-wrap: anywhere; }
.subject span { color: var(--soft); }
.summary { display: flex; flex-wrap: wrap; align-items: center; gap: 18px 56px; margin-top: 34px; padding: 24px 0; border-block: 1px solid var(--rule); }
dt { color: var(--soft); font-size: 13px; }
.headline dd { color: var(--line); font-size: 58px; font-weight: 650; letter-spacing: -.035em; line-height: 1.1; white-space: nowrap; }
.figures { display: grid; flex: 1 1 420px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 16px 30px; }
.figures dd { font-size: 18px; font-weight: 550; letter-spacing: -.01em; line-height: 1.3; overflow-wrap: anywhere; }
main > section { margin-top: 60px; }
h2 { margin-bottom: 20px; font-size: 22px; font-weight: 620; letter-spacing: -.015em; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 20px; }
.chart { padding: 16px 14px 8px; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
.chart figcaption { display: flex; justify-content: space-between; padding: 0 4px 6px; font-weight: 550; }
.chart b { color: var(--line); font-weight: 600; }
.chart svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--rule); }
.tick { fill: var(--soft); font-size: 11px; }
.line { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.faint { stroke-width: 1; opacity: .28; }
.dot { fill: var(--card); stroke: var(--line); stroke-width: 2; }
table { border-collapse: collapse; }
th { font-weight: 500; text-align: left; }
.swatch { display: inline-block; width: 11px; height: 11px; margin-right: 9px; border-radius: 3px; box-shadow: inset 0 0 0 1px color-mix(in srgb, var(--ink) 18%, transparent); }
.classes { width: 100%; }
.classes thead th { padding-bottom: 8px; color: var(--soft); font-size: 13px; font-weight: 400; }
.classes th:nth-child(n + 3), .classes td:nth-child(n + 3) { padding-left: 26px; text-align: right; white-space: nowrap; }
.classes tbody th { padding-right: 26px; white-space: nowrap; }
.classes tbody tr > * { height: 33px; border-top: 1px solid var(--rule); }
.classes td { color: var(--soft); }
.classes td.strong { color: var(--ink); font-weight: 600; }
.wide { width: 60%; }
.track { height: 13px; background: var(--track); border-radius: 4px; overflow: hidden; }
.bar { height: 100%; border-radius: 4px; box-shadow: inset 0 0 0 1px color-mix(in srgb, var(--ink) 20%, transparent); }
.scroll { overflow-x: auto; }
.confusion { font-size: 13px; }
.confusion thead th { padding: 0 0 8px; vertical-align: bottom; color: var(--soft); font-weight: 400; }
.confusion thead span { display: block; margin: 0 auto; writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.confusion tbody th { padding-right: 10px; text-align: right; white-space: nowrap; }
.confusion tbody .swatch { margin: 0 0 0 9px; }
.confusion td { width: 44px; min-width: 34px; height: 34px; border: 2px solid var(--paper); border-radius: 6px; text-align: center; background: color-mix(in srgb, var(--hue) var(--s), var(--track)); }
.confusion td.right { --hue: var(--right); }
.confusion td.wrong { --hue: var(--wrong); }
.confusion td.strong { color: #fff; font-weight: 600; }
.note { margin-top: 12px; color: var(--soft); font-size: 13px; }
.example { margin-top: 30px; }
h3 { margin-bottom: 10px; font-size: 15px; font-weight: 550; overflow-wrap: anywhere; }
.pictures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 16px 14px; }
.pictures img { display: block; width: 100%; height: auto; border-radius: 7px; }
.pictures figcaption { padding: 5px 2px 0; color: var(--soft); font-size: 13px; }
.pictures .swatch { margin: 0 6px 0 2px; }
.pictures.large { grid-template-columns: 1fr 1fr; }
.pictures .key { margin-left: 6px; white-space: nowrap; }
.soft { color: var(--soft); }
.verdict { margin-bottom: 14px; font-size: 17px; }
.verdict .swatch { margin-right: 7px; }
.pixel { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; align-items: start; }
.pixel .pictures { grid-template-columns: 1fr; }
pre { padding: 18px 20px; overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; font: 13px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 720px) {
  body { padding: 28px 18px 56px; }
  h1 { font-size: 28px; }
  .pictures { grid-template-columns: repeat(2, 1fr); }
  .pixel { grid-template-columns: 1fr; }
  .classes th:nth-child(n + 4), .classes td:nth-child(n + 4) { display: none; }
}
@media print { body { padding: 0; } main > section, .example { break-inside: avoid; } }
`;

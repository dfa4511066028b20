import { type Content, Html, html } from './html.js';
import { style } from './style.js';

export interface Page {
  /** What kind of page it is, in small letters above the title. */
  readonly kind: string;
  readonly title: string;
  /** Under the title. */
  readonly subject: Html;
  /** Between the header and the sections. */
  readonly summary?: Html | undefined;
  readonly sections: readonly Html[];
}

/** A page that needs nothing else: no scripts, no fonts, no files beside it; a policy in it forbids them. */
export const page = ({ kind, title, subject, summary, sections }: Page): string =>
  html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<header>
<p class="kind">${kind}</p>
<h1>${title}</h1>
<p class="subject">${subject}</p>
${summary}</header>
<main>
${sections}</main>
</body>
</html>
`.text;

export const section = (title: string, content: Content): Html => html`<section>
<h2>${title}</h2>
${content}</section>
`;

/** Numbers that one looks for first, one of them large. */
export const figures = (
  headline: readonly [name: string, value: string] | undefined,
  others: readonly (readonly [name: string, value: string])[],
): Html => html`<div class="summary">${
  headline && html`<dl class="headline"><div><dt>${headline[0]}</dt><dd>${headline[1]}</dd></div></dl>`
}<dl class="figures">
${others.map(
  ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>
`,
)}</dl></div>
`;

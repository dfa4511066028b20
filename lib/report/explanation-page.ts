import type { ClassInfo } from '../image/class-info.js';
import { heatOverlay, mapOf } from '../image/heat-map.js';
import { shareOfChanges } from '../image/label-changes.js';
import { formatMs, formatShare } from '../terminal/format.js';
import { classesBySize, contextFigures, laidOver, pixelFigure } from './examples.js';
import { type Html, html } from './html.js';
import { figures, page, section } from './page.js';
import { type Figure, pictureGrid, swatch } from './pictures.js';
import { relationChart } from './relation-chart.js';
import type { ReportExample } from './report-data.js';

export interface ExplanationPage {
  readonly model: string;
  /** By label. */
  readonly classes: readonly ClassInfo[];
  /** As `Explanation.example` gives it. */
  readonly example: ReportExample &
    Required<Pick<ReportExample, 'regions' | 'labelsWithoutContext' | 'pixel'>>;
  /** Of the network alone. */
  readonly networkMs?: number;
}

/**
 * What a network makes of one picture and where that comes from, as one HTML page like a report: predictions with and without
 * object context, the relation of one pixel to the object regions, and these.
 *
 * @throws OcrnetError INVALID_ARGUMENT where classes or labels do not match
 */
export async function renderExplanation({
  model,
  classes,
  example,
  networkMs,
}: ExplanationPage): Promise<string> {
  const { image, prediction, labelsWithoutContext, pixel } = example;
  const changed = shareOfChanges({ before: labelsWithoutContext, after: prediction });
  return page({
    kind: 'ocrnet explanation',
    title: example.name,
    subject: html`<span>by</span> ${model}`,
    summary: figures(
      ['changed by context', formatShare(changed)],
      [
        ['picture', `${image.width} × ${image.height}`],
        ['grid of the network', `${example.regions.width} × ${example.regions.height}`],
        ['classes', String(classes.length)],
        ...(networkMs === undefined ? [] : [['network', formatMs(networkMs)] as const]),
      ],
    ),
    sections: [
      section('With context and without', await pictureGrid(predictions(example, classes), { large: true })),
      section(`The pixel at ${pixel.x}, ${pixel.y}`, await pixelSection(example, classes)),
      section('Soft object regions', [
        await pictureGrid(regions(example, classes)),
        html`<p class="note">Where the network looks for what belongs to a class, before it knows: hot is the region’s maximum, colours go with the root. Regions of classes that are not predicted sum to one like all others.</p>
`,
      ]),
    ],
  });
}

function* predictions(example: ExplanationPage['example'], classes: readonly ClassInfo[]): Generator<Figure> {
  yield ['picture', example.image];
  if (example.truth) yield ['truth', laidOver(example, example.truth, classes)];
  yield ['prediction', laidOver(example, example.prediction, classes)];
  yield* contextFigures(example, classes);
}

async function pixelSection(
  example: ExplanationPage['example'],
  classes: readonly ClassInfo[],
): Promise<Html> {
  const { pixel } = example;
  const named = (label: number) => {
    const info = classes[label];
    return info && html`${swatch(info)}<b>${info.name}</b>`;
  };
  const before = pixel.labelWithoutContext;
  const verdict =
    pixel.label === before
      ? html`${named(pixel.label)} with context and without`
      : html`${named(pixel.label)}, without context ${named(before)}`;
  return html`<p class="verdict">${verdict}</p>
<div class="pixel">
${await pictureGrid([await pixelFigure(example, pixel, classes)])}${relationChart({ classes, relation: pixel.relation, label: pixel.label })}</div>
<p class="note">Bars: how much the pixel takes of each object region (the relation, which sums to one). The picture: how much it thereby takes of each place.</p>
`;
}

/** Of classes that are predicted all are shown, and of the others so many that there are as many as this. */
const mostRegions = 24;

async function* regions(
  example: ExplanationPage['example'],
  classes: readonly ClassInfo[],
): AsyncGenerator<Figure> {
  const predicted = classesBySize(example.prediction);
  const others = classes.map((_, label) => label).filter((label) => !predicted.includes(label));
  const all = [...predicted, ...others].slice(0, Math.max(predicted.length, mostRegions));
  for (const label of example.regionClasses ?? all) {
    const info = classes[label];
    if (!info) continue;
    const note = predicted.includes(label) ? undefined : html` <span class="soft">not predicted</span>`;
    const picture = await heatOverlay(example.image, mapOf(example.regions, label));
    yield [html`${swatch(info)}${info.name}${note}`, picture];
  }
}

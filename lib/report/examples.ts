import { OcrnetError } from '../errors.js';
import { type ClassInfo, paletteOf } from '../image/class-info.js';
import { heatOverlay, mapOf } from '../image/heat-map.js';
import { changeColours, changesOverlay, shareOfChanges } from '../image/label-changes.js';
import { markPixel } from '../image/mark-pixel.js';
import { overlayLabels } from '../image/overlay.js';
import { formatShare } from '../terminal/format.js';
import { type Content, type Html, html } from './html.js';
import { type Figure, pictureGrid, swatch } from './pictures.js';
import type { ReportExample } from './report-data.js';

const shownRegions = 3;

/**
 * A picture, its truth, what was predicted, what object context changed, where it came from, and where the network saw the
 * objects of some classes.
 */
export const exampleSection = async (example: ReportExample, classes: readonly ClassInfo[]): Promise<Html> =>
  html`<section class="example">
<h3>${example.name}</h3>
${await pictureGrid(exampleFigures(example, classes))}</section>
`;

async function* exampleFigures(
  example: ReportExample,
  classes: readonly ClassInfo[],
): AsyncGenerator<Figure> {
  const { image, truth, prediction, regions, pixel } = example;
  requireLabels(example);
  yield ['picture', image];
  if (truth) yield ['truth', laidOver(example, truth, classes)];
  yield ['prediction', laidOver(example, prediction, classes)];
  yield* contextFigures(example, classes);
  if (pixel) yield await pixelFigure(example, pixel, classes);
  if (regions)
    for (const label of example.regionClasses ?? classesBySize(prediction).slice(0, shownRegions)) {
      const info = classes[label];
      if (info)
        yield [html`region: ${swatch(info)}${info.name}`, await heatOverlay(image, mapOf(regions, label))];
    }
}

/** What would be predicted without object context, and what that changed. */
export function* contextFigures(example: ReportExample, classes: readonly ClassInfo[]): Generator<Figure> {
  const { image, truth, prediction, labelsWithoutContext: before } = example;
  if (!before) return;
  yield ['without context', laidOver(example, before, classes)];
  const changes = { before, after: prediction, truth };
  const key = truth
    ? html`: ${colourKey('repaired', 'better')} ${colourKey('spoiled', 'worse')} ${colourKey('other', 'neither')}`
    : undefined;
  const caption = html`context changed ${formatShare(shareOfChanges(changes))}${key}`;
  yield [caption, changesOverlay(image, changes, paletteOf(classes))];
}

/** Where one pixel's context comes from. */
export async function pixelFigure(
  { image }: ReportExample,
  pixel: NonNullable<ReportExample['pixel']>,
  classes: readonly ClassInfo[],
): Promise<Figure> {
  const largest = [...pixel.relation.entries()].sort(([, a], [, b]) => b - a).slice(0, 2);
  const shares = largest.map(
    ([label, share], i): Content => html`${i > 0 ? ', ' : ''}${classes[label]?.name} ${formatShare(share)}`,
  );
  return [
    html`context of the marked pixel: ${shares}`,
    markPixel(await heatOverlay(image, pixel.context), pixel),
  ];
}

export const laidOver = (
  { image }: ReportExample,
  labels: ReportExample['prediction'],
  classes: readonly ClassInfo[],
) => overlayLabels(image, labels, paletteOf(classes), { alpha: 0.7 });

const colourKey = (kind: keyof typeof changeColours, name: string): Html =>
  html`<span class="key">${swatch({ name, colour: [...changeColours[kind]] })}${name}</span>`;

function requireLabels({
  name,
  image: { width, height },
  truth,
  prediction,
  labelsWithoutContext,
}: ReportExample): void {
  for (const labels of [truth, prediction, labelsWithoutContext])
    if (labels && labels.length !== width * height)
      throw new OcrnetError('INVALID_ARGUMENT', `The labels of example ${name} do not fill the picture`, {
        expected: `${width}×${height} labels`,
        received: `${labels.length}`,
      });
}

/** Labels that occur, those of most pixels first. */
export function classesBySize(labels: ReportExample['prediction']): number[] {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([label]) => label);
}

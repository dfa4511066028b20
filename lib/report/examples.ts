import sharp from 'sharp';
import { OcrnetError } from '../errors.js';
import { type ClassInfo, paletteOf } from '../image/class-info.js';
import type { RgbImage } from '../image/decode.js';
import { overlayLabels } from '../image/overlay.js';
import { type Html, html } from './html.js';
import type { ReportExample } from './report-data.js';

/** Pictures are shown no larger, so that a report can be sent by mail. */
const mostWidth = 560;
const shownRegions = 3;

/** A picture, its truth, what was predicted, and where the network saw the objects of some classes. */
export async function exampleSection(example: ReportExample, classes: readonly ClassInfo[]): Promise<Html> {
  const { name, image, truth, prediction, regions } = example;
  requireLabels(example);
  const palette = paletteOf(classes);
  const laidOver = (labels: ReportExample['prediction']) =>
    overlayLabels(image, labels, palette, { alpha: 0.7 });
  const figures: [caption: string | Html, picture: RgbImage | Promise<RgbImage>][] = [['picture', image]];
  if (truth) figures.push(['truth', laidOver(truth)]);
  figures.push(['prediction', laidOver(prediction)]);
  if (regions)
    for (const label of example.regionClasses ?? largestClasses(prediction)) {
      const info = classes[label];
      if (!info) continue;
      const caption = html`region: <i class="swatch" style="background: rgb(${info.colour.join(' ')})"></i>${info.name}`;
      figures.push([caption, heatOverlay(image, regions, label)]);
    }
  const shown = await Promise.all(
    figures.map(async ([caption, picture]) => ({ caption, source: await dataUri(await picture) })),
  );
  return html`<section class="example">
<h3>${name}</h3>
<div class="pictures">
${shown.map(
  ({
    caption,
    source,
  }) => html`<figure><img src="${source}" alt="" width="${image.width}" height="${image.height}" loading="lazy"><figcaption>${caption}</figcaption></figure>
`,
)}</div>
</section>
`;
}

function requireLabels({ name, image: { width, height }, truth, prediction }: ReportExample): void {
  for (const labels of [truth, prediction])
    if (labels && labels.length !== width * height)
      throw new OcrnetError('INVALID_ARGUMENT', `The labels of example ${name} do not fill the picture`, {
        expected: `${width}×${height} labels`,
        received: `${labels.length}`,
      });
}

function largestClasses(labels: ReportExample['prediction']): number[] {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, shownRegions)
    .map(([label]) => label);
}

/** From cold to hot, by way of colours that grow lighter evenly, so that gray printers and all eyes see the same order. */
const heat = [
  [26, 16, 84],
  [122, 28, 120],
  [205, 62, 84],
  [250, 142, 24],
  [252, 250, 160],
] as const;

/**
 * The region's map in colours over the picture in gray, which shows where the map is small: hot is the region's maximum. The
 * scale is that of the root, for a region sums to one and its peaks are far above what else belongs to it.
 */
async function heatOverlay(
  { data, width, height }: RgbImage,
  regions: NonNullable<ReportExample['regions']>,
  label: number,
): Promise<RgbImage> {
  const cells = regions.width * regions.height;
  const classes = regions.data.length / cells;
  const map = Float32Array.from({ length: cells }, (_, i) => regions.data[i * classes + label] as number);
  const maximum = map.reduce((most, value) => Math.max(most, value), 0);
  const bytes = Uint8Array.from(map, (value) =>
    maximum > 0 ? Math.round(255 * Math.sqrt(Math.max(0, value) / maximum)) : 0,
  );
  const raw = { width: regions.width, height: regions.height, channels: 1 } as const;
  const strengths = await sharp(bytes, { raw })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  const result = new Uint8Array(data.length);
  for (let i = 0; i < strengths.length; i++) {
    const strength = (strengths[i] as number) / 255;
    const [red, green, blue] = [data[3 * i], data[3 * i + 1], data[3 * i + 2]] as [number, number, number];
    const gray = 0.7 * (0.299 * red + 0.587 * green + 0.114 * blue);
    const cover = Math.min(0.85, 2 * strength);
    const below = Math.min(Math.floor(strength * (heat.length - 1)), heat.length - 2);
    const part = strength * (heat.length - 1) - below;
    for (let channel = 0; channel < 3; channel++) {
      const [from, to] = [heat[below]?.[channel] as number, heat[below + 1]?.[channel] as number];
      result[3 * i + channel] = (1 - cover) * gray + cover * (from + part * (to - from));
    }
  }
  return { data: result, width, height };
}

async function dataUri({ data, width, height }: RgbImage): Promise<string> {
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ width: mostWidth, withoutEnlargement: true })
    .jpeg({ quality: 86, chromaSubsampling: '4:4:4' })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}

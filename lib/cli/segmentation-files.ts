import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import sharp from 'sharp';
import { invalidArgument, OcrnetError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import type { ClassInfo } from '../image/class-info.js';
import type { RegionMaps, Segmentation } from '../serve/segmentation.js';

/** Makes the folder for results, so that an impossible one is known before anything is computed. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new OcrnetError(
      'FILE_NOT_WRITTEN',
      `Cannot make the folder ${folder}: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

/** The name under which each picture's results are filed: its own without folder and ending. */
export function resultNames(images: readonly string[]): string[] {
  const names = images.map((image) => basename(image, extname(image)));
  const first = new Map<string, string>();
  names.forEach((name, i) => {
    const image = images[i] as string;
    // Some file systems do not tell upper case from lower case.
    const other = first.get(name.toLowerCase());
    if (other !== undefined)
      throw invalidArgument(
        'pictures',
        `names that differ, for both of these would write ${name}.labels.png (segment them into two folders with --out)`,
        [other, image],
      );
    first.set(name.toLowerCase(), image);
  });
  return names;
}

/**
 * Writes what a segmentation holds: NAME.labels.png (indexed, exact), NAME.overlay.jpg (to look at), and where they were
 * asked for NAME.confidence.png (gray, 255 is certainty) and NAME.region-K-CLASS.png (gray, 255 is the region's maximum,
 * at the network's own size). Returns the paths.
 */
export async function writeSegmentation(
  segmentation: Segmentation,
  folder: string,
  name: string,
): Promise<string[]> {
  const { width, height, confidence, regions } = segmentation;
  const files: [ending: string, content: () => Promise<Uint8Array>][] = [
    ['labels.png', () => segmentation.labelPng()],
    ['overlay.jpg', () => encodeOverlay(segmentation)],
  ];
  if (confidence) files.push(['confidence.png', () => encodeGray(confidence, 255, { width, height })]);
  if (regions)
    segmentation.classes.forEach((_, label) => {
      files.push([regionEnding(segmentation.classes, label), () => encodeRegion(regions, label)]);
    });
  return await Promise.all(
    files.map(([ending, content]) => writeResult(folder, `${name}.${ending}`, content)),
  );
}

/** Writes one file and returns its path. */
export async function writeResult(
  folder: string,
  name: string,
  content: () => Promise<Uint8Array | string>,
): Promise<string> {
  const path = join(folder, name);
  await writeFileAtomic(path, await content());
  return path;
}

/** `region-K-CLASS.png`. */
export function regionEnding(classes: readonly ClassInfo[], label: number): string {
  const digits = String(classes.length - 1).length;
  const number = String(label).padStart(digits, '0');
  return `region-${number}-${kebabCase(classes[label]?.name ?? '')}.png`;
}

async function encodeOverlay(segmentation: Segmentation): Promise<Uint8Array> {
  const { data, width, height } = segmentation.overlay();
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 92, chromaSubsampling: '4:4:4' })
    .toBuffer();
}

async function encodeRegion({ data, width, height }: RegionMaps, label: number): Promise<Uint8Array> {
  const classes = data.length / (width * height);
  const region = Float32Array.from({ length: width * height }, (_, i) => data[i * classes + label] as number);
  const maximum = region.reduce((most, value) => Math.max(most, value), 0);
  return await encodeGray(region, maximum > 0 ? 255 / maximum : 0, { width, height });
}

async function encodeGray(
  values: Float32Array,
  scale: number,
  size: { width: number; height: number },
): Promise<Uint8Array> {
  const bytes = Uint8Array.from(values, (value) => Math.round(value * scale));
  return await sharp(bytes, { raw: { ...size, channels: 1 } })
    .toColourspace('b-w')
    .png({ compressionLevel: 3 })
    .toBuffer();
}

const kebabCase = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-|-$/g, '');

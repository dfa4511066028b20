import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { stringify } from 'yaml';
import { OcrnetError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import { paletteOf } from '../image/class-info.js';
import { encodeLabelPng } from '../image/label-png.js';
import { type Palette, vocPalette } from '../image/palette.js';
import { type ReadingOptions, type ReadSample, readSamples } from './check-split.js';
import type { Dataset, Split } from './dataset.js';

/**
 * Writes all splits of a data set as a folder that {@link openDataset} opens: pictures and labels as PNG, and `dataset.yaml`,
 * which comes last, so that a folder that was not finished is none. Files of the same names are replaced.
 *
 * @throws OcrnetError FILE_NOT_WRITTEN, ABORTED, and what reading the samples throws
 */
export async function writeDataset(
  dataset: Dataset,
  folder: string,
  { onProgress, ...options }: ReadingOptions = {},
): Promise<void> {
  const splits = await Promise.all((await dataset.splitNames()).map((name) => dataset.split(name)));
  const total = splits.reduce((sum, { samples }) => sum + samples.length, 0);
  const palette = withIgnored(paletteOf(dataset.classes), dataset.ignoreLabel);
  let done = 0;
  for (const split of splits)
    for await (const read of readSamples(split, options)) {
      await writeSample(read, split, folder, palette);
      onProgress?.(++done, total);
    }
  await writeFileAtomic(join(folder, 'dataset.yaml'), describeDataset(dataset));
}

/** Room for the ignore label in the colours of PASCAL VOC, where 255 is pale. */
function withIgnored(palette: Palette, ignoreLabel: number): Palette {
  const colours = vocPalette(ignoreLabel + 1);
  colours.set(palette);
  return colours;
}

async function writeSample(
  { sample, image, label }: ReadSample,
  split: Split,
  folder: string,
  palette: Palette,
): Promise<void> {
  const { data, width, height } = image;
  const png = sharp(data, { raw: { width, height, channels: 3 } }).png();
  const [picture, labels] = await Promise.all([png.toBuffer(), encodeLabelPng(label, palette)]);
  await writeInFolder(join(folder, 'images', split.name, `${sample.name}.png`), picture);
  await writeInFolder(join(folder, 'labels', split.name, `${sample.name}.png`), labels);
}

async function writeInFolder(path: string, content: Uint8Array): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (cause) {
    throw new OcrnetError(
      'FILE_NOT_WRITTEN',
      `Cannot make the folder ${dirname(path)}: ${(cause as Error).message}`,
      { cause },
    );
  }
  await writeFileAtomic(path, content);
}

function describeDataset({ classes, ignoreLabel, mirrorPairs }: Dataset): string {
  const nameOf = (label: number) => classes[label]?.name;
  return stringify(
    {
      classes,
      ignore: ignoreLabel,
      ...(mirrorPairs.length > 0 && { mirror: mirrorPairs.map((pair) => pair.map(nameOf)) }),
    },
    { aliasDuplicateObjects: false },
  );
}

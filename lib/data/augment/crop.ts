import sharp from 'sharp';
import type { RgbImage } from '../../image/decode.js';
import type { LabelImage } from '../../image/label-png.js';
import { drawInteger, type RandomSource } from '../random.js';
import { enlarge } from './enlarge.js';

/**
 * Scaling and cropping in one: the part of the source that fills the crop is cut out first, then only that is resampled. The
 * part has whole source pixels, so picture and labels are cut at the same edges to the bit; the price is that the scale is
 * rounded to (crop size) / (whole number), less than half a percent off for crops of hundreds of pixels.
 *
 * A picture that is smaller than the crop after scaling lies somewhere in it, with the fill colour and the ignore label around.
 */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Along one axis: these source pixels become those target pixels. */
export interface Stretch {
  readonly from: number;
  readonly length: number;
  readonly to: number;
  readonly toLength: number;
}

export interface CropWindow {
  readonly x: Stretch;
  readonly y: Stretch;
}

/** A window of a source, drawn at random among those that fit. */
export function drawWindow(
  source: Size,
  crop: Size,
  scale: { readonly x: number; readonly y: number },
  random: RandomSource,
): CropWindow {
  return {
    x: drawStretch(source.width, crop.width, scale.x, random),
    y: drawStretch(source.height, crop.height, scale.y, random),
  };
}

function drawStretch(size: number, crop: number, scale: number, random: RandomSource): Stretch {
  const wanted = Math.max(1, Math.round(crop / scale));
  if (wanted <= size)
    return { from: drawInteger(random, size - wanted + 1), length: wanted, to: 0, toLength: crop };
  const covered = Math.min(crop, Math.max(1, Math.round((size * crop) / wanted)));
  return { from: 0, length: size, to: drawInteger(random, crop - covered + 1), toLength: covered };
}

/**
 * The window of the picture at its target size, RGB bytes: averaged over as many pixels as it takes where it is reduced (in
 * sharp), bilinear where it is enlarged. The source is left as it is.
 */
export async function resampleImage(image: RgbImage, { x, y }: CropWindow): Promise<RgbImage> {
  const width = Math.min(x.length, x.toLength);
  const height = Math.min(y.length, y.toLength);
  const cut =
    width === x.length && height === y.length
      ? cutOut(image, x, y)
      : { data: await reduce(image, x, y, { width, height }), width, height };
  if (width === x.toLength && height === y.toLength) return cut;
  return enlarge(cut, x.toLength, y.toLength);
}

const reduce = ({ data, ...source }: RgbImage, x: Stretch, y: Stretch, { width, height }: Size) =>
  sharp(data, { raw: { width: source.width, height: source.height, channels: 3 } })
    .extract({ left: x.from, top: y.from, width: x.length, height: y.length })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();

function cutOut(source: RgbImage, x: Stretch, y: Stretch): RgbImage {
  const [width, height] = [x.length, y.length];
  const data = new Uint8Array(3 * width * height);
  for (let row = 0; row < height; row++) {
    const start = 3 * ((y.from + row) * source.width + x.from);
    data.set(source.data.subarray(start, start + 3 * width), 3 * row * width);
  }
  return { data, width, height };
}

/** Lays a resampled window into a crop, RGB bytes, with `fill` around it. */
export function placeImage(
  { data }: RgbImage,
  { x, y }: CropWindow,
  fill: readonly [number, number, number],
  out: Uint8Array,
  crop: Size,
): void {
  if (x.toLength !== crop.width || y.toLength !== crop.height)
    for (let i = 0; i < out.length; i += 3) out.set(fill, i);
  for (let row = 0; row < y.toLength; row++)
    out.set(
      data.subarray(3 * row * x.toLength, 3 * (row + 1) * x.toLength),
      3 * ((y.to + row) * crop.width + x.to),
    );
}

/** The window's labels, each the one of the source pixel in which the target pixel's centre lies; `ignore` around it. */
export function cropLabels(
  { labels, width }: LabelImage,
  { x, y }: CropWindow,
  ignore: number,
  out: Uint8Array | Uint16Array,
  crop: Size,
): void {
  if (x.toLength !== crop.width || y.toLength !== crop.height) out.fill(ignore);
  const columns = sourcePixels(x);
  const rows = sourcePixels(y);
  for (let row = 0; row < rows.length; row++) {
    const to = (y.to + row) * crop.width + x.to;
    if (row > 0 && rows[row] === rows[row - 1]) {
      out.copyWithin(to, to - crop.width, to - crop.width + columns.length);
      continue;
    }
    const from = (rows[row] as number) * width;
    for (let column = 0; column < columns.length; column++)
      out[to + column] = labels[from + (columns[column] as number)] as number;
  }
}

const sourcePixels = ({ from, length, toLength }: Stretch): Int32Array =>
  Int32Array.from({ length: toLength }, (_, i) => from + Math.floor(((2 * i + 1) * length) / (2 * toLength)));

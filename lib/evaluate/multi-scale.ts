import sharp from 'sharp';
import { invalidArgument } from '../errors.js';
import type { RgbImage } from '../image/decode.js';
import type { Labels } from './confusion.js';
import { averageWithMirrored, exponentiate, type ScoreMap, type Size } from './score-map.js';
import { defaultStride, slidingWindows, type Window, WindowAverage } from './sliding-window.js';

// A picture is seen at several scales, mirrored or not, whole or through windows, and the views are merged into one score for
// each pixel and class. Views come out of the network at its own, smaller size. Resizing is linear and treats left as right,
// so that a picture and its mirror image are merged there; scales meet at the picture's size, for they have no other in
// common. Where there is but one scale, full-size scores need never exist: resizing and argmax are one operation.

/** What testing needs of a network; whoever holds its programs provides it. Batches are of one picture. */
export interface ScoringNetwork {
  readonly classes: number;
  /** Labels at the picture's size. `truth` are the true ones, for networks that are told them. */
  labels(picture: RgbImage, signal?: AbortSignal, truth?: Labels): Promise<Labels>;
  /** Class scores before softmax, at the network's own size. New at each call. */
  scores(picture: RgbImage, signal?: AbortSignal): Promise<ScoreMap>;
  /** Scores resized bilinearly, plus `sum`, which has that size. */
  resize(scores: ScoreMap, size: Size, sum?: ScoreMap): Promise<ScoreMap>;
  /** Resizes bilinearly and takes the class of the largest score. */
  argmax(scores: ScoreMap, size: Size): Promise<Labels>;
}

/**
 * How views become one. `logits`: their sum, as in openseg. `exponentials`: the sum over scales of exp(mean of the logits of
 * the picture and its mirror image), as in hrnet-ocr; a view that is sure of itself weighs more.
 */
export type ScoreMerge = (typeof scoreMerges)[number];
export const scoreMerges = ['logits', 'exponentials'] as const;

export interface TestOptions {
  /** Adds the mirror image. */
  readonly flip?: boolean;
  /** Sizes at which the picture is seen, relative to its own; by default [1]. */
  readonly scales?: readonly number[];
  /** Sees pictures through windows of this size in pixels, after scaling, instead of as a whole. */
  readonly window?: Size;
  /** From one window to the next; by default two thirds of the window. */
  readonly stride?: Size;
  /** By default `logits`. */
  readonly merge?: ScoreMerge;
}

/** @throws OcrnetError INVALID_ARGUMENT */
export function checkTestOptions({ scales = [1], window, stride, merge }: TestOptions): void {
  if (scales.length === 0 || !scales.every((scale) => scale > 0 && scale <= 8))
    throw invalidArgument('scales', 'one or more numbers above 0, up to 8', scales);
  if (stride && !window) throw invalidArgument('stride', 'none without a window', stride);
  for (const [name, size] of Object.entries({ window, stride }))
    if (size && ![size.height, size.width].every((pixels) => Number.isInteger(pixels) && pixels >= 1))
      throw invalidArgument(name, 'a height and a width from 1', [size.height, size.width]);
  if (window && stride) slidingWindows(window, window, stride);
  if (merge !== undefined && !scoreMerges.includes(merge))
    throw invalidArgument('merge', scoreMerges.join(' or '), merge);
}

/** The class of every pixel of a picture, at its own size. Options must have been checked. */
export async function predict(
  network: ScoringNetwork,
  picture: RgbImage,
  options: TestOptions,
  signal?: AbortSignal,
  truth?: Labels,
): Promise<Labels> {
  const { flip = false, scales = [1], window } = options;
  if (!flip && !window && scales.length === 1 && scales[0] === 1)
    return network.labels(picture, signal, truth);
  const { height, width } = picture;
  const views = scales.map((scale) => ({
    height: Math.max(1, Math.round(scale * height)),
    width: Math.max(1, Math.round(scale * width)),
  }));
  let sum: ScoreMap | undefined;
  for (const size of views) {
    const view = await viewOf(network, await resized(picture, size), options, signal);
    if (views.length === 1) return network.argmax(view, picture);
    sum = await network.resize(view, { height, width }, sum);
  }
  return network.argmax(sum as ScoreMap, picture);
}

/** Merged scores of a picture at one scale, of whatever size they come in. */
async function viewOf(
  network: ScoringNetwork,
  picture: RgbImage,
  { flip = false, window, stride, merge = 'logits' }: TestOptions,
  signal: AbortSignal | undefined,
): Promise<ScoreMap> {
  const see = async (part: RgbImage): Promise<ScoreMap> => {
    const scores = await network.scores(part, signal);
    return flip ? averageWithMirrored(scores, await network.scores(mirrored(part), signal)) : scores;
  };
  const seeLarge = async (part: RgbImage): Promise<ScoreMap> => {
    const scores = await network.resize(await see(part), part);
    return merge === 'exponentials' ? exponentiate(scores) : scores;
  };
  if (!window) return merge === 'exponentials' ? seeLarge(picture) : see(picture);
  const average = new WindowAverage(picture, network.classes);
  for (const place of slidingWindows(picture, window, stride ?? defaultStride(window)))
    average.add(place, await seeLarge(cut(picture, place)));
  return average.scores();
}

/** Bilinear, over all pixels that a smaller one covers. */
async function resized(picture: RgbImage, { height, width }: Size): Promise<RgbImage> {
  if (height === picture.height && width === picture.width) return picture;
  const raw = { width: picture.width, height: picture.height, channels: 3 } as const;
  const data = await sharp(picture.data, { raw, limitInputPixels: false })
    .resize(width, height, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false })
    .raw()
    .toBuffer();
  return { data, height, width };
}

function mirrored({ data, height, width }: RgbImage): RgbImage {
  const result = new Uint8Array(data.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = 3 * (y * width + x);
      const to = 3 * (y * width + width - 1 - x);
      result[to] = data[from] as number;
      result[to + 1] = data[from + 1] as number;
      result[to + 2] = data[from + 2] as number;
    }
  return { data: result, height, width };
}

function cut(picture: RgbImage, { top, left, height, width }: Window): RgbImage {
  if (height === picture.height && width === picture.width) return picture;
  const data = new Uint8Array(3 * height * width);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((top + y) * picture.width + left);
    data.set(picture.data.subarray(from, from + 3 * width), 3 * y * width);
  }
  return { data, height, width };
}

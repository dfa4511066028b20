import { invalidArgument } from '../../errors.js';
import type { LabelledImage, LabelMeaning } from '../dataset.js';
import { randomSource, type SampleKey } from '../random.js';
import { requireBrightness, shiftBrightness } from './brightness.js';
import { cropLabels, drawWindow, placeImage, resampleImage, type Size } from './crop.js';
import { flipImage, flipLabels, mirrorTable } from './flip.js';
import { type JitterOptions, jitterColours, requireJitter } from './jitter.js';
import {
  type BaseSize,
  baseScale,
  drawScale,
  requireBaseSize,
  requireScale,
  type ScaleOptions,
} from './scale.js';

/** What is done to a sample; what is left out is not done. The crop is always at a random place. */
export interface AugmentOptions {
  /** Before random scaling, the same for all pictures. */
  readonly resize?: BaseSize;
  readonly scale?: ScaleOptions;
  /** Mirrors half of the samples; classes of a mirror pair swap. */
  readonly flip?: boolean;
  /** Adds a number from −brightness to brightness to all bytes of a picture. */
  readonly brightness?: number;
  readonly jitter?: JitterOptions;
}

/** What the paper trains with. */
export const paperAugmentation: AugmentOptions = {
  scale: { min: 0.5, max: 2 },
  flip: true,
  brightness: 10,
};

export interface CropOptions {
  readonly crop: Size;
  readonly augment: AugmentOptions;
  /** RGB around pictures that are smaller than the crop. */
  readonly fill: readonly [number, number, number];
}

/** Where one sample of a batch goes: (crop height, crop width, 3) and (crop height, crop width). */
export interface SampleRoom {
  readonly image: Uint8Array;
  readonly label: Uint8Array | Uint16Array;
}

/** Writes a crop of a sample into its room; what is drawn depends on the key alone. The sample is left as it is. */
export type Augmenter = (sample: LabelledImage, key: SampleKey, room: SampleRoom) => Promise<void>;

/** @throws OcrnetError INVALID_ARGUMENT for options that make no sense */
export function augmenter({ crop, augment, fill }: CropOptions, meaning: LabelMeaning): Augmenter {
  requireOptions({ crop, augment, fill });
  const { resize, scale, flip, brightness, jitter } = augment;
  const mirror = mirrorTable(meaning.mirrorPairs);
  return async ({ image, label }, key, room) => {
    const factor = scale ? drawScale(scale, randomSource(key, 'scale')) : 1;
    const base = baseScale(image, resize);
    const scales = { x: factor * base.x, y: factor * base.y };
    const window = drawWindow(image, crop, scales, randomSource(key, 'crop'));
    cropLabels(label, window, meaning.ignoreLabel, room.label, crop);
    const resampled = await resampleImage(image, window);
    // Before the picture lies in its crop: the fill colour stays what the network is told is nothing.
    if (brightness) shiftBrightness(resampled.data, brightness, randomSource(key, 'brightness'));
    if (jitter) jitterColours(resampled.data, jitter, randomSource(key, 'jitter'));
    placeImage(resampled, window, fill, room.image, crop);
    if (flip && randomSource(key, 'flip')() < 0.5) {
      flipImage(room.image, crop.width);
      flipLabels(room.label, crop.width, mirror);
    }
  };
}

function requireOptions({ crop, augment, fill }: CropOptions): void {
  for (const name of ['width', 'height'] as const)
    if (!Number.isSafeInteger(crop?.[name]) || crop[name] < 1 || crop[name] > 16384)
      throw invalidArgument(`crop.${name}`, 'an integer from 1 to 16384', crop?.[name]);
  const isByte = (value: unknown) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255;
  if (!Array.isArray(fill) || fill.length !== 3 || !fill.every(isByte))
    throw invalidArgument('fill', 'three bytes, [red, green, blue]', fill);
  const known = ['resize', 'scale', 'flip', 'brightness', 'jitter'];
  for (const name of Object.keys(augment))
    if (!known.includes(name)) throw invalidArgument('augment', `keys of ${known.join(', ')}`, name);
  if (augment.resize) requireBaseSize(augment.resize);
  if (augment.scale) requireScale(augment.scale);
  if (augment.brightness !== undefined) requireBrightness(augment.brightness);
  if (augment.jitter) requireJitter(augment.jitter);
}

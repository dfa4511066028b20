import { invalidArgument } from '../../errors.js';
import type { RandomSource } from '../random.js';

export function requireBrightness(range: number): void {
  if (!(range >= 0 && range <= 255))
    throw invalidArgument('augment.brightness', 'a number from 0 to 255', range);
}

/** Adds one number from −range to range to all bytes in place, ending at 0 and 255. */
export function shiftBrightness(pixels: Uint8Array, range: number, random: RandomSource): void {
  const shift = Math.round((2 * random() - 1) * range);
  const shifted = Uint8ClampedArray.from({ length: 256 }, (_, value) => value + shift);
  for (let i = 0; i < pixels.length; i++) pixels[i] = shifted[pixels[i] as number] as number;
}

import { invalidArgument } from '../../errors.js';
import type { RandomSource } from '../random.js';

/** Each number r draws a factor from [1 − r, 1 + r], except hue. */
export interface JitterOptions {
  readonly brightness?: number;
  /** About the picture's mean gray. */
  readonly contrast?: number;
  /** 0 is gray. */
  readonly saturation?: number;
  /** Degrees of rotation about the gray axis, from −hue to hue. */
  readonly hue?: number;
}

export function requireJitter(options: JitterOptions): void {
  for (const [name, value] of Object.entries(options)) {
    const most = name === 'hue' ? 180 : 1;
    if (!(value >= 0 && value <= most))
      throw invalidArgument(`augment.jitter.${name}`, `a number from 0 to ${most}`, value);
  }
}

/** Rec. 601, as JPEG weighs them. */
const luma = [0.299, 0.587, 0.114] as const;

/**
 * Brightness, contrast, saturation and hue, in this order, of RGB bytes in place. All four are linear and leave gray gray, so
 * that they are one matrix and one offset, and the values are rounded and cut off at 0 and 255 once.
 */
export function jitterColours(pixels: Uint8Array, options: JitterOptions, random: RandomSource): void {
  const { brightness = 0, contrast = 0, saturation = 0, hue = 0 } = options;
  const draw = (range: number) => (2 * random() - 1) * range;
  // All four are drawn whatever their range, so that changing one leaves the others as they were.
  const bright = 1 + draw(brightness);
  const strength = 1 + draw(contrast);
  const colour = saturate(1 + draw(saturation), turn((draw(hue) * Math.PI) / 180));
  const offset = (1 - strength) * bright * meanLuma(pixels);
  const [rr, rg, rb, gr, gg, gb, br, bg, bb] = colour.map((entry) => entry * bright * strength) as Matrix;
  const clamped = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length);
  for (let i = 0; i < pixels.length; i += 3) {
    const [r, g, b] = [pixels[i] as number, pixels[i + 1] as number, pixels[i + 2] as number];
    clamped[i] = rr * r + rg * g + rb * b + offset;
    clamped[i + 1] = gr * r + gg * g + gb * b + offset;
    clamped[i + 2] = br * r + bg * g + bb * b + offset;
  }
}

/** 3×3, row by row. */
type Matrix = [number, number, number, number, number, number, number, number, number];

/** Rotation about the gray axis (Rodrigues' formula for (1, 1, 1)). */
function turn(angle: number): Matrix {
  const cosine = Math.cos(angle);
  const even = (1 - cosine) / 3;
  const odd = Math.sin(angle) / Math.sqrt(3);
  return [
    ...[cosine + even, even - odd, even + odd],
    ...[even + odd, cosine + even, even - odd],
    ...[even - odd, even + odd, cosine + even],
  ] as Matrix;
}

/** `after` times the matrix that blends each colour with its gray; the rows of `after` add up to one. */
function saturate(factor: number, after: Matrix): Matrix {
  return after.map((entry, i) => factor * entry + (1 - factor) * (luma[i % 3] as number)) as Matrix;
}

function meanLuma(pixels: Uint8Array): number {
  let [red, green, blue] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 3) {
    red += pixels[i] as number;
    green += pixels[i + 1] as number;
    blue += pixels[i + 2] as number;
  }
  return (3 * (luma[0] * red + luma[1] * green + luma[2] * blue)) / Math.max(1, pixels.length);
}

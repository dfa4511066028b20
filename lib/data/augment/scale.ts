import { invalidArgument } from '../../errors.js';
import { drawInteger, type RandomSource } from '../random.js';

/** A factor for the picture's size: from a range, or one of a list. */
export type ScaleOptions =
  | {
      readonly min: number;
      readonly max: number;
      /** `uniform` unless told; `logarithmic` gives halves and doubles the same chance. */
      readonly spacing?: 'uniform' | 'logarithmic';
    }
  | { readonly scales: readonly number[] };

/** What a picture is brought to before random scaling: its shorter side, or both (its proportions are then lost). */
export type BaseSize = { readonly shortSide: number } | { readonly width: number; readonly height: number };

export function requireScale(options: ScaleOptions): void {
  const isScale = (scale: number) => Number.isFinite(scale) && scale > 0 && scale <= 64;
  const expected = 'factors above 0, up to 64';
  if ('scales' in options) {
    if (options.scales.length === 0 || !options.scales.every(isScale))
      throw invalidArgument('augment.scale.scales', expected, options.scales);
    return;
  }
  const { min, max, spacing = 'uniform' } = options;
  if (!isScale(min) || !isScale(max) || min > max)
    throw invalidArgument('augment.scale', `${expected}, min at most max`, [min, max]);
  if (spacing !== 'uniform' && spacing !== 'logarithmic')
    throw invalidArgument('augment.scale.spacing', 'uniform or logarithmic', spacing);
}

export function drawScale(options: ScaleOptions, random: RandomSource): number {
  if ('scales' in options) return options.scales[drawInteger(random, options.scales.length)] as number;
  const { min, max, spacing } = options;
  return spacing === 'logarithmic' ? min * (max / min) ** random() : min + (max - min) * random();
}

export function requireBaseSize(size: BaseSize): void {
  for (const [name, value] of Object.entries(size))
    if (!Number.isSafeInteger(value) || value < 1)
      throw invalidArgument(`augment.resize.${name}`, 'a positive integer', value);
}

/** The factors that bring a picture to its base size. */
export function baseScale(
  { width, height }: { readonly width: number; readonly height: number },
  size: BaseSize | undefined,
): { readonly x: number; readonly y: number } {
  if (size === undefined) return { x: 1, y: 1 };
  if ('width' in size) return { x: size.width / width, y: size.height / height };
  const factor = size.shortSide / Math.min(width, height);
  return { x: factor, y: factor };
}

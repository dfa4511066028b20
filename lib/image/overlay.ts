import { invalidArgument, OcrnetError } from '../errors.js';
import type { RgbImage } from './decode.js';
import type { Palette } from './palette.js';

export interface OverlayOptions {
  /** Share of the class colour in each pixel, 0 to 1; 0.5 unless told. */
  readonly alpha?: number;
  /** Draws a line of this colour (white for `true`) between classes, one pixel wide. */
  readonly boundaries?: boolean | readonly [red: number, green: number, blue: number];
}

const white = [255, 255, 255] as const;
/** Blending is done in fixed point, in 256ths. */
const one = 256;

/**
 * A new picture with the classes' colours laid over `image`. Labels without a colour, such as 255 for "ignored", leave the
 * picture as it is.
 */
export function overlayLabels(
  image: RgbImage,
  labels: Uint8Array | Uint16Array,
  palette: Palette,
  { alpha = 0.5, boundaries = false }: OverlayOptions = {},
): RgbImage {
  if (!(alpha >= 0 && alpha <= 1)) throw invalidArgument('alpha', 'a number from 0 to 1', alpha);
  const { width, height } = image;
  if (labels.length !== width * height)
    throw new OcrnetError('INVALID_ARGUMENT', 'The labels do not fill the picture', {
      expected: `${width}×${height} labels`,
      received: `${labels.length}`,
    });
  const data = blend(image.data, labels, palette, Math.round(alpha * one));
  if (boundaries !== false) drawBoundaries(data, labels, width, boundaries === true ? white : boundaries);
  return { data, width, height };
}

function blend(
  pixels: Uint8Array,
  labels: Uint8Array | Uint16Array,
  palette: Palette,
  share: number,
): Uint8Array {
  // Half of the unit rounds to nearest.
  const colors = Int32Array.from(palette, (value) => value * share + one / 2);
  const rest = one - share;
  const result = new Uint8Array(pixels);
  for (let i = 0, at = 0; i < labels.length; i++, at += 3) {
    const color = 3 * (labels[i] as number);
    if (color >= colors.length) continue;
    result[at] = ((result[at] as number) * rest + (colors[color] as number)) >> 8;
    result[at + 1] = ((result[at + 1] as number) * rest + (colors[color + 1] as number)) >> 8;
    result[at + 2] = ((result[at + 2] as number) * rest + (colors[color + 2] as number)) >> 8;
  }
  return result;
}

/** Marks each pixel whose right or lower neighbour is of another class. */
function drawBoundaries(
  pixels: Uint8Array,
  labels: Uint8Array | Uint16Array,
  width: number,
  [red, green, blue]: readonly [number, number, number],
): void {
  for (let row = 0; row < labels.length; row += width) {
    const hasLower = row + width < labels.length;
    for (let i = row; i < row + width; i++) {
      const differs =
        (i + 1 < row + width && labels[i] !== labels[i + 1]) || (hasLower && labels[i] !== labels[i + width]);
      if (!differs) continue;
      pixels[3 * i] = red;
      pixels[3 * i + 1] = green;
      pixels[3 * i + 2] = blue;
    }
  }
}

import type { RgbImage } from '../../image/decode.js';

/**
 * Bilinear enlargement. sharp is not used here: where a factor is no whole number it lays the result half a target pixel
 * beside the place that pixel centres ask for (measured with sharp 0.35), and labels would no longer lie on their picture.
 */

/** Weights are in 256ths. */
const one = 256;

/** For each target pixel the source pixel at or before its centre, and how far it is on the way to the next. */
function positions(length: number, toLength: number): { before: Int32Array; share: Int32Array } {
  const before = new Int32Array(toLength);
  const share = new Int32Array(toLength);
  for (let i = 0; i < toLength; i++) {
    const centre = Math.min(Math.max(((i + 0.5) * length) / toLength - 0.5, 0), length - 1);
    before[i] = Math.floor(centre);
    share[i] = Math.round((centre - Math.floor(centre)) * one);
  }
  return { before, share };
}

/** RGB bytes at a size that is nowhere smaller; pixel centres keep their places, edges are continued. */
export function enlarge({ data, width, height }: RgbImage, toWidth: number, toHeight: number): RgbImage {
  const columns = positions(width, toWidth);
  const rows = positions(height, toHeight);
  const result = new Uint8Array(3 * toWidth * toHeight);
  // Each source row is widened once: the one before and the one after the target row.
  let [above, below] = [new Uint16Array(3 * toWidth), new Uint16Array(3 * toWidth)];
  let [aboveRow, belowRow] = [-1, -1];
  for (let y = 0; y < toHeight; y++) {
    const first = rows.before[y] as number;
    const second = Math.min(first + 1, height - 1);
    if (belowRow === first) {
      [above, below] = [below, above];
      [aboveRow, belowRow] = [belowRow, aboveRow];
    }
    if (aboveRow !== first) widen(data, 3 * width * first, width, columns, above);
    if (belowRow !== second) widen(data, 3 * width * second, width, columns, below);
    [aboveRow, belowRow] = [first, second];
    const share = rows.share[y] as number;
    const rest = one - share;
    for (let i = 0, to = 3 * toWidth * y; i < above.length; i++, to++)
      result[to] = ((above[i] as number) * rest + (below[i] as number) * share + (one * one) / 2) >> 16;
  }
  return { data: result, width: toWidth, height: toHeight };
}

/** One row of `width` pixels, in 256ths of a level. */
function widen(
  data: Uint8Array,
  start: number,
  width: number,
  { before, share }: ReturnType<typeof positions>,
  out: Uint16Array,
): void {
  const last = start + 3 * (width - 1);
  for (let i = 0, to = 0; i < before.length; i++, to += 3) {
    const from = start + 3 * (before[i] as number);
    const next = Math.min(from + 3, last);
    const weight = share[i] as number;
    const rest = one - weight;
    out[to] = (data[from] as number) * rest + (data[next] as number) * weight;
    out[to + 1] = (data[from + 1] as number) * rest + (data[next + 1] as number) * weight;
    out[to + 2] = (data[from + 2] as number) * rest + (data[next + 2] as number) * weight;
  }
}

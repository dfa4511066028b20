import type { Shape } from './tensor-type.js';

/** (N, C, H, W) → (N, H, W, C), filters (O, I, kh, kw) → (O, kh, kw, I). `shape` is the one before. */
export function channelsLast(data: Float32Array, shape: Shape): Float32Array {
  const [outer, channels, height, width] = shape as [number, number, number, number];
  return transposeInner(data, outer, channels, height * width);
}

/** (N, H, W, C) → (N, C, H, W), filters (O, kh, kw, I) → (O, I, kh, kw). `shape` is the one before. */
export function channelsFirst(data: Float32Array, shape: Shape): Float32Array {
  const [outer, height, width, channels] = shape as [number, number, number, number];
  return transposeInner(data, outer, height * width, channels);
}

export const shapeWithChannelsFirst = ([outer, height, width, channels]: Shape): Shape =>
  [outer, channels, height, width] as Shape;

/** (outer, rows, columns) → (outer, columns, rows). */
function transposeInner(data: Float32Array, outer: number, rows: number, columns: number): Float32Array {
  // Pointwise and depthwise filters lie in memory alike in both layouts.
  if (rows === 1 || columns === 1) return data;
  const result = new Float32Array(data.length);
  const size = rows * columns;
  for (let start = 0; start < outer * size; start += size)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        result[start + column * rows + row] = data[start + row * columns + column] as number;
  return result;
}

import { elementCount, type Shape } from '../../lib/ir/tensor-type.js';
import type { ReferenceTensor } from './reference-tensor.js';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tensor of float32 numbers in [from, to). */
export function randomTensor(shape: Shape, next: () => number, from = -1, to = 1): ReferenceTensor {
  const data = Float64Array.from({ length: elementCount(shape) }, () =>
    Math.fround(from + (to - from) * next()),
  );
  return { shape, data };
}

/** A tensor of bytes. */
export function randomBytes(shape: Shape, next: () => number): ReferenceTensor {
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, () => Math.floor(256 * next())) };
}

import { philox4x32 } from '../../lib/nn/philox.js';
import type { Dropped } from '../../lib/ops/dropout.js';
import { at, fill, four, type R, type Reference } from './reference-tensor.js';

/** Dropout, each factor by itself: see reference-ops.ts. */
export const dropout: Reference<{ x: R; noise: R }, { rate: number; drops: Dropped; stream: number }> = (
  { x, noise },
  { rate, drops, stream },
) => {
  const [low, high, run, first] = noise.data as unknown as [number, number, number, number];
  const [, , width, channels] = four(x);
  const exactRate = Math.fround(rate);
  const factor = (n: number, place: number): number => {
    const counter = [Math.floor(place / 4), ~stream >>> 0, (first + n) >>> 0, run >>> 0] as const;
    const word = philox4x32(counter, [low >>> 0, high >>> 0])[place % 4] as number;
    return word < exactRate * 2 ** 32 ? 0 : Math.fround(1 / (1 - exactRate));
  };
  const y = fill(four(x), (n, row, column, c) => {
    const place = drops === 'channels' ? c : (row * width + column) * channels + c;
    return at(x, n, row, column, c) * factor(n, place);
  });
  return { y };
};

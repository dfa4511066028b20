import { invalidArgument } from '../errors.js';
import { philox4x32, type Words2 } from '../nn/philox.js';

/**
 * Chance without state: every draw is named by the seed and by what it is for, so that a sample is the same in whatever order
 * and on however many threads samples are made, and any position can be taken up again without what came before.
 */

/** What draws are for. The numbers are part of what a seed means: add, never reuse. */
export const purposes = {
  order: 0,
  scale: 1,
  crop: 2,
  flip: 3,
  brightness: 4,
  jitter: 5,
  scenes: 6,
} as const;
export type Purpose = keyof typeof purposes;

/** Numbers in [0, 1), one after the other. */
export type RandomSource = () => number;

/** Which sample in which epoch. */
export interface SampleKey {
  readonly seed: number;
  readonly epoch: number;
  readonly index: number;
}

/** The draws of one sample for one purpose: key = seed, counter = (block of draws, epoch, index, purpose). */
export function randomSource({ seed, epoch, index }: SampleKey, purpose: Purpose): RandomSource {
  const key = seedKey(seed);
  let words: readonly number[] = [];
  let drawn = 0;
  return () => {
    if (drawn % 4 === 0) words = philox4x32([drawn / 4, epoch >>> 0, index >>> 0, purposes[purpose]], key);
    return (words[drawn++ % 4] as number) / 2 ** 32;
  };
}

export function requireSeed(seed: number): number {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw invalidArgument('seed', 'an integer from 0 to 2^53 - 1', seed);
  return seed;
}

const seedKey = (seed: number): Words2 => [seed >>> 0, Math.floor(seed / 2 ** 32)];

/** A whole number from 0 to `count` − 1. */
export const drawInteger = (random: RandomSource, count: number): number => Math.floor(random() * count);

/** 0 … count − 1 in an order drawn by Fisher and Yates' method. `source` tells apart the parts of a mixture. */
export function shuffledOrder(count: number, seed: number, epoch: number, source: number): Uint32Array {
  const random = randomSource({ seed, epoch, index: source }, 'order');
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let last = count - 1; last > 0; last--) {
    const other = drawInteger(random, last + 1);
    const held = order[last] as number;
    order[last] = order[other] as number;
    order[other] = held;
  }
  return order;
}

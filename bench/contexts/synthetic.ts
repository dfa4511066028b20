import type { ReadParameter } from '../../lib/checkpoint/weights.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { noise } from '../noise.js';

/** Numbers in [−1, 1) that bench/peers/pytorch-module.py makes with the same bits: input `index` of a module. */
export function syntheticInput(length: number, index: number): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = (noise(i, index) >>> 8) * 2 ** -23 - 1;
  return values;
}

/**
 * A module's parameters before training. Learned factors, which begin at 0, are ½: what they scale must show where two sides
 * are compared.
 */
export function syntheticWeights(): ReadParameter {
  const read = initialiser(1);
  return (parameter) => {
    const values = read(parameter);
    if (values.length === 1) values.fill(0.5);
    return values;
  };
}

import type { ReadParameter } from '../../lib/checkpoint/weights.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { syntheticInput } from '../contexts/synthetic.js';
import { noise } from '../noise.js';

/**
 * A network's parameters before training, but with batch norms that halve: where each block adds as much as it was given, the
 * numbers of a hundred layers grow until a softmax sees only the largest, and a rounding decides which.
 */
export function quietWeights(): ReadParameter {
  const read = initialiser(1);
  return (parameter) => {
    const values = read(parameter);
    return isScale(parameter) ? new Float32Array(values.length).fill(0.5) : values;
  };
}

const isScale = ({ name, value }: Parameters<ReadParameter>[0]): boolean =>
  value.type.shape.length === 1 && name.endsWith('.weight');

/** RGB bytes that bench/peers/pytorch-gpu.py makes with the same bits. */
export const noiseBytes = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => noise(i, 1) >>> 24);

/** `syntheticInput` cut to bfloat16, which numbers of eight bits survive unchanged. */
export function syntheticBfloat16(length: number, index: number): Uint16Array {
  const bits = new Uint32Array(syntheticInput(length, index).buffer);
  return Uint16Array.from(bits, (word) => word >>> 16);
}

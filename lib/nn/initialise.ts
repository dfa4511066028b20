import { invalidArgument } from '../errors.js';
import type { Parameter } from '../ir/graph.js';
import type { Initializer } from '../ir/initializer.js';
import { elementCount } from '../ir/tensor-type.js';
import { boxMuller } from './box-muller.js';
import { philox4x32, type Words2 } from './philox.js';

/**
 * Starts stored parameters from a seed, one by one, in the graph's layout (filters OHWI). Element i of a parameter depends
 * on the seed, the parameter's name and i alone: the same bits on every machine, whatever else the graph holds.
 *
 * @param seed - an integer from 0 to 2⁵³ − 1
 */
export function initialiser(seed: number): (parameter: Parameter) => Float32Array {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw invalidArgument('seed', 'an integer from 0 to 2^53 - 1', seed);
  const key: Words2 = [seed >>> 0, Math.floor(seed / 2 ** 32)];
  return ({ name, value, source }) => {
    const values = new Float32Array(elementCount(value.type.shape));
    if (source.kind === 'stored') fill(values, source.initializer, name, key);
    return values;
  };
}

function fill(values: Float32Array, initializer: Initializer, name: string, key: Words2): void {
  if (initializer.kind === 'constant') {
    values.fill(initializer.value);
    return;
  }
  const [low, high] = hashName(name);
  const pair: [number, number] = [0, 0];
  for (let start = 0; start < values.length; start += 4) {
    const words = philox4x32([start / 4, 0, low, high], key);
    for (let i = 0; i < 4; i += 2) {
      const [u, v] = [toUnit(words[i] as number), toUnit(words[i + 1] as number)];
      if (initializer.kind === 'uniform') {
        pair[0] = (2 * u - 1) * initializer.bound;
        pair[1] = (2 * v - 1) * initializer.bound;
      } else {
        boxMuller(u, v, initializer.standardDeviation, pair);
      }
      // Writes beyond the end of a typed array are ignored.
      values[start + i] = pair[0];
      values[start + i + 1] = pair[1];
    }
  }
}

/** A word as a number inside (0, 1), exactly. */
const toUnit = (word: number): number => (word + 0.5) / 2 ** 32;

/** FNV-1a, 64 bits, of the name's UTF-8 bytes: [low word, high word]. */
function hashName(name: string): Words2 {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return [Number(hash & 0xffffffffn), Number(hash >> 32n)];
}

import { readFileSync } from 'node:fs';
import type { TensorSource } from '../../lib/checkpoint/tensor-source.js';
import { type Graph, type Parameter, storedParameters } from '../../lib/ir/graph.js';
import { shapeWithChannelsFirst } from '../../lib/ir/layout.js';
import { elementCount, type Shape } from '../../lib/ir/tensor-type.js';

/** Weights and pictures made from names: the same bits as test/golden/synthetic.py, which says how. */

const scales = (
  JSON.parse(readFileSync(new URL('../golden/weight-scales.json', import.meta.url), 'utf8')) as {
    name: string;
    exponent: number;
  }[]
).map(({ name, exponent }) => ({ pattern: new RegExp(name), factor: 2 ** exponent }));

/** The stored parameters of a graph, in the layout of PyTorch's checkpoints. */
export function syntheticCheckpoint(graph: Graph): TensorSource {
  const tensors = new Map(
    storedParameters(graph).map((parameter) => [parameter.name, { shape: fileShape(parameter) }]),
  );
  return {
    description: 'the synthetic weights',
    tensors,
    read(name) {
      const tensor = tensors.get(name);
      if (!tensor) throw new Error(`no parameter is called ${name}`);
      return syntheticParameter(name, tensor.shape);
    },
  };
}

/** One parameter in PyTorch's layout. */
export function syntheticParameter(name: string, shape: Shape): Float32Array {
  const bound = Math.fround(Math.sqrt(6 / elementCount(shape.slice(1))));
  const spread =
    shape.length === 4
      ? (unit: number) => (2 * unit - 1) * bound
      : name.endsWith('.weight') || name.endsWith('.running_var')
        ? (unit: number) => unit + 0.5
        : (unit: number) => (2 * unit - 1) * 0.25;
  const factor = scales.reduce(
    (product, scale) => product * (scale.pattern.test(name) ? scale.factor : 1),
    1,
  );
  // Loops, not callbacks: the large networks have tens of millions of numbers.
  const words = hashWords(name, elementCount(shape));
  const values = new Float32Array(words.length);
  for (let i = 0; i < words.length; i++)
    values[i] = Math.fround(spread(((words[i] as number) >>> 8) * 2 ** -24)) * factor;
  return values;
}

/** RGB bytes (N, H, W, 3). */
export function syntheticImage(batch: number, height: number, width: number): Uint8Array {
  return Uint8Array.from(hashWords('image', batch * height * width * 3), (word) => word >>> 24);
}

/** `count` 32-bit words from a name. */
export function hashWords(name: string, count: number): Uint32Array {
  let start = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) start = Math.imul(start ^ byte, 0x01000193);
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 0x9e3779b9) + start) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    words[i] = x ^ (x >>> 16);
  }
  return words;
}

function fileShape({ value, source }: Parameter): Shape {
  const isFilter = source.kind === 'stored' && source.fileLayout === 'filter';
  return isFilter ? shapeWithChannelsFirst(value.type.shape) : value.type.shape;
}

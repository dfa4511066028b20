import type { Value } from '../ir/graph.js';
import { defineOp, requireShape } from '../ir/op.js';
import { formatType, sameShape } from '../ir/tensor-type.js';
import { nhwc } from './shapes.js';
import { sliceChannels } from './slice-channels.js';

/** Puts the channels of two to six tensors of one (N, H, W) side by side, in the order of their names. */
export const concat = defineOp({
  name: 'concat',
  summary: 'channels side by side',
  inputs: ['a', 'b'],
  optionalInputs: ['c', 'd', 'e', 'f'],
  outputs: ['y'],
  attributes: {},
  facts: { concatenatesChannels: true, readsSlices: ['a', 'b', 'c', 'd', 'e', 'f'], writesSlices: true },
  infer({ a, b, c, d, e, f }) {
    const parts = [a, b, c, d, e, f].filter((part) => part !== undefined);
    const pixels = nhwc(a, 'a').slice(0, 3);
    for (const part of parts)
      requireShape(
        part.dataType === a.dataType && part.shape.length === 4 && sameShape(part.shape.slice(0, 3), pixels),
        () => `needs equal sizes but for the channels, got ${parts.map(formatType).join(', ')}`,
      );
    const channels = parts.reduce((sum, part) => sum + (part.shape[3] as number), 0);
    return { y: { ...a, shape: [...pixels, channels] } };
  },
  flops: () => 0,
  gradient: ({ inputs, outputGradients: { y: dy }, wants, add }) => {
    const gradients: Partial<Record<keyof typeof inputs, Value>> = {};
    let first = 0;
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f'] as const) {
      const count = inputs[name]?.type.shape[3] ?? 0;
      if (dy && count > 0 && wants(name)) gradients[name] = add(sliceChannels, { x: dy }, { first, count }).y;
      first += count;
    }
    return gradients;
  },
});

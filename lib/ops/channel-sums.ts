import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

/** y (C), in float32: the sum of x (N, H, W, C), or of x · other, over all pixels. The gradient of what is added per channel. */
export const channelSums = defineOp({
  name: 'channelSums',
  summary: 'sums over all pixels, per channel',
  inputs: ['x'],
  optionalInputs: ['other'],
  outputs: ['y'],
  attributes: {},
  facts: { readsSlices: ['x', 'other'] },
  infer({ x, other }) {
    const channels = nhwc(x, 'x')[3];
    requireFloat(x, 'x');
    requireSameType(x, other, 'x and other');
    return { y: { dataType: 'float32', shape: [channels] } };
  },
  flops: ({ x, other }) => (other ? 2 : 1) * elementCount(x.shape),
  gradient: notDifferentiable, // it is itself a gradient
});

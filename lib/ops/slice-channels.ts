import { int } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { formatType } from '../ir/tensor-type.js';
import { nhwc, requirePositive } from './shapes.js';

/** `count` channels of x (N, H, W, C) from channel `first` on: (N, H, W, count). The gradient of a concat's part. */
export const sliceChannels = defineOp({
  name: 'sliceChannels',
  summary: 'some of the channels',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { first: int, count: int },
  facts: { slicesChannels: true, readsSlices: ['x'], writesSlices: true },
  infer({ x }, { first, count }) {
    const [batch, height, width, channels] = nhwc(x, 'x');
    requirePositive({ count });
    requireShape(
      first >= 0 && first + count <= channels,
      () => `has no channels ${first} to ${first + count - 1} in ${formatType(x)}`,
    );
    return { y: { ...x, shape: [batch, height, width, count] } };
  },
  flops: () => 0,
  gradient: notDifferentiable, // no network slices; it is itself a gradient
});

import { int } from '../ir/attributes.js';
import { defineOp } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requirePositive } from './shapes.js';

/**
 * Mean over height × width cells; cell i of n covers rows ⌊i·H / n⌋ to ⌈(i + 1)·H / n⌉, as PyTorch's AdaptiveAvgPool2d.
 */
export const adaptiveAveragePool2d = defineOp({
  name: 'adaptiveAveragePool2d',
  summary: 'mean over a grid of cells',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { height: int, width: int },
  facts: { readsSlices: ['x'], writesSlices: true },
  infer({ x }, { height, width }) {
    const [batch, , , channels] = nhwc(x, 'x');
    requireFloat(x, 'x');
    requirePositive({ height, width });
    return { y: { ...x, shape: [batch, height, width, channels] } };
  },
  flops: ({ x }) => elementCount(x.shape),
});

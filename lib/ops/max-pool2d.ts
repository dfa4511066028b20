import { bool, int } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requirePositive, requireSameType, windowCount } from './shapes.js';

/** Maximum over kernel × kernel windows; padding counts as −∞; output size as PyTorch's MaxPool2d, with its ceil_mode. */
export const maxPool2d = defineOp({
  name: 'maxPool2d',
  summary: 'maximum over windows',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { kernel: int, stride: int, padding: int, ceilMode: bool },
  facts: { readsSlices: ['x'], writesSlices: true },
  infer({ x }, { kernel, stride, padding, ceilMode }) {
    const [batch, height, width, channels] = nhwc(x, 'x');
    requireFloat(x, 'x');
    requirePositive({ kernel, stride });
    requireShape(
      padding >= 0 && 2 * padding <= kernel,
      () => `needs 0 <= padding <= kernel / 2, got ${padding}`,
    );
    const window = { stride, padding, ceilMode };
    return {
      y: {
        ...x,
        shape: [batch, windowCount(height, kernel, window), windowCount(width, kernel, window), channels],
      },
    };
  },
  flops: (_inputs, { y }, { kernel }) => elementCount(y.shape) * kernel * kernel,
  gradient: ({ inputs: { x }, outputs: { y }, attributes, outputGradients: { y: dy }, add }) => ({
    x: dy && add(maxPool2dGradient, { x, y, dy }, attributes).dx,
  }),
});

/** dx: each dy goes to the first pixel of its window, row by row, that holds the maximum y. */
export const maxPool2dGradient = defineOp({
  name: 'maxPool2dGradient',
  summary: 'gradient of the maximum over windows',
  inputs: ['x', 'y', 'dy'],
  optionalInputs: [],
  outputs: ['dx'],
  attributes: { kernel: int, stride: int, padding: int, ceilMode: bool },
  facts: { readsSlices: ['x', 'y', 'dy'], writesSlices: true },
  infer({ x, y, dy }, attributes) {
    requireSameType(maxPool2d.infer({ x }, attributes).y, y, 'the maximum of x and y');
    requireSameType(y, dy, 'y and dy');
    return { dx: x };
  },
  flops: ({ y }, _outputs, { kernel }) => elementCount(y.shape) * kernel * kernel,
  gradient: notDifferentiable, // first derivatives alone
});

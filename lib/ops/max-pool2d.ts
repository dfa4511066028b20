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
  gradient: ({ inputs: { x }, attributes, outputGradients: { y: dy }, add }) => ({
    x: dy && add(maxPool2dGradient, { x, dy }, attributes).dx,
  }),
});

/**
 * dx: each dy goes to the pixel of its window whose x is the maximum: row by row the first one, but the last NaN where there
 * is any, as in PyTorch. The maxima are found anew, so that y need not be kept.
 */
export const maxPool2dGradient = defineOp({
  name: 'maxPool2dGradient',
  summary: 'gradient of the maximum over windows',
  inputs: ['x', 'dy'],
  optionalInputs: [],
  outputs: ['dx'],
  attributes: { kernel: int, stride: int, padding: int, ceilMode: bool },
  facts: { readsSlices: ['x', 'dy'], writesSlices: true },
  infer({ x, dy }, attributes) {
    requireSameType(maxPool2d.infer({ x }, attributes).y, dy, 'y and dy');
    return { dx: x };
  },
  flops: ({ dy }, _outputs, { kernel }) => elementCount(dy.shape) * kernel * kernel,
  gradient: notDifferentiable, // first derivatives alone
});

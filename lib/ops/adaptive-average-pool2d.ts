import { int } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
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
  gradient: ({ inputs: { x }, outputGradients: { y: dy }, add }) => {
    const [, height = 0, width = 0] = x.type.shape;
    return { x: dy && add(adaptiveAveragePool2dGradient, { dy }, { height, width }).dx };
  },
});

/** dx (N, height, width, C): each pixel's share of the cells that it lies in. dy (N, H', W', C). */
export const adaptiveAveragePool2dGradient = defineOp({
  name: 'adaptiveAveragePool2dGradient',
  summary: 'gradient of the mean over a grid of cells',
  inputs: ['dy'],
  optionalInputs: [],
  outputs: ['dx'],
  attributes: { height: int, width: int },
  facts: { readsSlices: ['dy'], writesSlices: true },
  infer({ dy }, { height, width }) {
    const [batch, , , channels] = nhwc(dy, 'dy');
    requireFloat(dy, 'dy');
    requirePositive({ height, width });
    return { dx: { ...dy, shape: [batch, height, width, channels] } };
  },
  flops: (_inputs, { dx }) => 2 * elementCount(dx.shape),
  gradient: notDifferentiable, // first derivatives alone
});

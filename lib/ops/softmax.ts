import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType } from '../ir/tensor-type.js';
import { castLike } from './cast.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

/**
 * Softmax over the channels, in float32: y_c = exp(scale · x_c) / Σ_j exp(scale · x_j) for each pixel of x (N, H, W, C). A
 * negative scale prefers what is least alike, as DANet's attention of channels does.
 */
export const softmax = defineOp({
  name: 'softmax',
  summary: 'softmax over the channels, per pixel',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { scale: float },
  facts: {
    exactInputs: ['x'],
    inPlaceOf: 'x',
    pixelsSumToOne: true,
    readsSlices: ['x'],
    writesSlices: true,
  },
  infer({ x }) {
    nhwc(x, 'x');
    requireFloat(x, 'x');
    return { y: { dataType: 'float32', shape: x.shape } };
  },
  flops: ({ x }) => 5 * elementCount(x.shape),
  gradient: ({ inputs: { x }, outputs: { y }, attributes, outputGradients: { y: dy }, add }) => ({
    x: dy && castLike(add, add(softmaxGradient, { y, dy }, attributes).dx, x),
  }),
});

/** dx_c = scale · y_c · (dy_c − Σ_j y_j · dy_j) for each pixel, all (N, H, W, C) in float32. */
export const softmaxGradient = defineOp({
  name: 'softmaxGradient',
  summary: 'gradient of the softmax over the channels',
  inputs: ['y', 'dy'],
  optionalInputs: [],
  outputs: ['dx'],
  attributes: { scale: float },
  facts: { exactInputs: ['y', 'dy'], inPlaceOf: 'dy', readsSlices: ['y', 'dy'], writesSlices: true },
  infer({ y, dy }) {
    nhwc(y, 'y');
    requireShape(y.dataType === 'float32', () => `needs y in float32, got ${formatType(y)}`);
    requireSameType(y, dy, 'y and dy');
    return { dx: y };
  },
  flops: ({ y }) => 4 * elementCount(y.shape),
  gradient: notDifferentiable, // first derivatives alone
});

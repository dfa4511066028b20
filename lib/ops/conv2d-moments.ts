import { int } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import type { TensorType } from '../ir/tensor-type.js';
import { conv2d } from './conv2d.js';
import { nhwc, requireSameType } from './shapes.js';

/** Neighbouring pixels, in the order (N, H, W), whose moments are taken together: native/core/moments.h has it, too. */
export const momentPixels = 64;

/**
 * A {@link conv2d} and what a batch norm wants to know of its result. For each range of 64 neighbouring pixels of y, the last of
 * which may have fewer, and each channel: `means` (ranges, O), and `squares` (ranges, O), the sums of squared distances from
 * these means, of y as it is written. From them {@link batchNormTraining} has the statistics of the batch without reading y.
 *
 * It takes the place of a conv2d where the device computes moments along with a tile of results:
 * lib/compile/passes/take-moments.ts.
 */
export const conv2dMoments = defineOp({
  name: 'conv2dMoments',
  summary: 'convolution, and the moments of its result',
  inputs: ['x', 'filter'],
  optionalInputs: ['bias'],
  outputs: ['y', 'means', 'squares'],
  attributes: { stride: int, padding: int, dilation: int, groups: int },
  facts: { exactInputs: ['filter', 'bias'], readsSlices: ['x'], writesSlices: true },
  infer(inputs, window) {
    const { y } = conv2d.infer(inputs, convolution(window));
    return { y, means: momentsOf(y), squares: momentsOf(y) };
  },
  flops: (inputs, outputs, window) => conv2d.flops(inputs, outputs, convolution(window)),
  gradient: notDifferentiable, // it comes after the backward pass was made
});

const convolution = <Window>(window: Window) =>
  ({ ...window, activation: 'none', negativeSlope: 0, outputType: 'same' }) as const;

/** The type of the means of an (N, H, W, C) activation's ranges, and of their squares. */
function momentsOf(type: TensorType): TensorType {
  const [batch, height, width, channels] = nhwc(type, 'y');
  return { dataType: 'float32', shape: [Math.ceil((batch * height * width) / momentPixels), channels] };
}

/** Of x, both or neither. */
export function requireMoments(
  x: TensorType,
  moments: { readonly means: TensorType | undefined; readonly squares: TensorType | undefined },
): void {
  const { means, squares } = moments;
  requireShape(
    (means === undefined) === (squares === undefined),
    () => `needs both means and squares, or neither, got ${means ? 'means' : 'squares'} alone`,
  );
  for (const [name, type] of Object.entries({ means, squares }))
    requireSameType(momentsOf(x), type, `the moments of x and ${name}`);
}

import { bool, int } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { beforeActivation } from './activate.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat, requirePositive, requireSameType } from './shapes.js';

/**
 * Bilinear resize to height × width. With alignCorners the corner pixels' centres coincide and source =
 * i · (H − 1) / (height − 1), 0 where height = 1; without, source = max(0, (i + ½) · H / height − ½), as PyTorch's
 * interpolate.
 */
export const resizeBilinear = defineOp({
  name: 'resizeBilinear',
  summary: 'bilinear resize with residual and activation',
  inputs: ['x'],
  optionalInputs: ['residual'],
  outputs: ['y'],
  attributes: { height: int, width: int, alignCorners: bool, ...epilogueAttributes },
  facts: {
    epilogue: { residual: true, activation: true },
    resizes: true,
    inPlaceOf: 'residual',
    readsSlices: ['x', 'residual'],
    writesSlices: true,
  },
  infer({ x, residual }, { height, width }) {
    const [batch, , , channels] = nhwc(x, 'x');
    requireFloat(x, 'x');
    requirePositive({ height, width });
    const y = { ...x, shape: [batch, height, width, channels] };
    requireSameType(y, residual, 'y and residual');
    return { y };
  },
  flops: (_inputs, { y }) => 8 * elementCount(y.shape),
  gradient: ({ inputs: { x }, outputs, attributes, outputGradients: { y: dy }, wants, add }) => {
    if (!dy) return {};
    const sums = beforeActivation(add, dy, outputs.y, attributes);
    const [, height = 0, width = 0] = x.type.shape;
    const { alignCorners } = attributes;
    return {
      x: wants('x')
        ? add(resizeBilinearGradient, { dy: sums }, { height, width, alignCorners }).dx
        : undefined,
      residual: sums,
    };
  },
});

/** dx (N, height, width, C): what each pixel of x gave to the pixels of y, times their gradient dy (N, H', W', C). */
export const resizeBilinearGradient = defineOp({
  name: 'resizeBilinearGradient',
  summary: 'gradient of the bilinear resize',
  inputs: ['dy'],
  optionalInputs: [],
  outputs: ['dx'],
  attributes: { height: int, width: int, alignCorners: bool },
  facts: { readsSlices: ['dy'], writesSlices: true },
  infer({ dy }, { height, width }) {
    const [batch, , , channels] = nhwc(dy, 'dy');
    requireFloat(dy, 'dy');
    requirePositive({ height, width });
    return { dx: { ...dy, shape: [batch, height, width, channels] } };
  },
  flops: ({ dy }) => 8 * elementCount(dy.shape),
  gradient: notDifferentiable, // first derivatives alone
});

import { bool, int } from '../ir/attributes.js';
import { defineOp } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
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
});

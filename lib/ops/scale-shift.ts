import { defineOp } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat, requireSameType, requireVector } from './shapes.js';

/** y = activation(x · scale + shift + residual), scale and shift per channel. */
export const scaleShift = defineOp({
  name: 'scaleShift',
  summary: 'scale and shift per channel',
  inputs: ['x', 'scale', 'shift'],
  optionalInputs: ['residual'],
  outputs: ['y'],
  attributes: { ...epilogueAttributes },
  facts: {
    exactInputs: ['scale', 'shift'],
    epilogue: { residual: true, activation: true },
    inPlaceOf: 'x',
    readsSlices: ['x', 'residual'],
    writesSlices: true,
  },
  infer({ x, scale, shift, residual }) {
    const channels = nhwc(x, 'x')[3];
    requireFloat(x, 'x');
    requireVector(scale, 'scale', channels);
    requireVector(shift, 'shift', channels);
    requireSameType(x, residual, 'x and residual');
    return { y: x };
  },
  flops: (_inputs, { y }) => 2 * elementCount(y.shape),
});

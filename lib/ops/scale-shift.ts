import { defineOp, type InputGradients } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { beforeActivation } from './activate.js';
import { channelSums } from './channel-sums.js';
import { epilogueAttributes, noActivation } from './epilogue.js';
import { nhwc, requireFloat, requireSameType, requireVector } from './shapes.js';

/** y = activation(x · scale + shift + residual), scale and shift per channel; shift is zero where it is absent. */
export const scaleShift = defineOp({
  name: 'scaleShift',
  summary: 'scale and shift per channel',
  inputs: ['x', 'scale'],
  optionalInputs: ['shift', 'residual'],
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
  gradient: ({
    inputs: { x, scale },
    outputs,
    attributes,
    outputGradients: { y: dy },
    wants,
    add,
  }): InputGradients<'x' | 'scale' | 'shift' | 'residual'> => {
    if (!dy) return {};
    const sums = beforeActivation(add, dy, outputs.y, attributes);
    return {
      x: wants('x') ? add(scaleShift, { x: sums, scale }, noActivation).y : undefined,
      scale: wants('scale') ? add(channelSums, { x: sums, other: x }, {}).y : undefined,
      shift: wants('shift') ? add(channelSums, { x: sums }, {}).y : undefined,
      residual: sums,
    };
  },
});

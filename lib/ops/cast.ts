import { oneOf } from '../ir/attributes.js';
import type { Value } from '../ir/graph.js';
import { type AddNode, defineOp, type InputGradients, requireShape } from '../ir/op.js';
import { type FloatType, floatTypes, formatType } from '../ir/tensor-type.js';
import { nhwc, requireFloat } from './shapes.js';

/**
 * float32 to a type of 16 bits (round to nearest even) and back. A NaN stays one; what is too large for float16 becomes
 * infinite, what is too small for its normal numbers keeps fewer bits.
 */
export const cast = defineOp({
  name: 'cast',
  summary: 'change of the element type',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { outputType: oneOf('FloatType', floatTypes) },
  facts: { readsSlices: ['x'], writesSlices: true },
  infer({ x }, { outputType }) {
    nhwc(x, 'x');
    requireFloat(x, 'x');
    requireShape(
      x.dataType === outputType || x.dataType === 'float32' || outputType === 'float32',
      () => `changes to and from float32, got ${formatType(x)} to ${outputType}`,
    );
    return { y: { dataType: outputType, shape: x.shape } };
  },
  flops: () => 0,
  gradient: ({ inputs: { x }, outputGradients: { y: dy }, add }): InputGradients<'x'> => ({
    x: dy && castLike(add, dy, x),
  }),
});

/** The same numbers in the element type of `like`: gradients have the type of what they are gradients of. */
export function castLike(add: AddNode, x: Value, { type: { dataType } }: Value): Value {
  if (x.type.dataType === dataType) return x;
  return add(cast, { x }, { outputType: dataType as FloatType }).y;
}

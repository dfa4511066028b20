import { oneOf } from '../ir/attributes.js';
import type { Value } from '../ir/graph.js';
import { type AddNode, defineOp, type InputGradients } from '../ir/op.js';
import { nhwc, requireFloat } from './shapes.js';

/** float32 to bfloat16 (round to nearest even) and back. */
export const cast = defineOp({
  name: 'cast',
  summary: 'change of the element type',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { outputType: oneOf('FloatType', ['float32', 'bfloat16']) },
  facts: { readsSlices: ['x'], writesSlices: true },
  infer({ x }, { outputType }) {
    nhwc(x, 'x');
    requireFloat(x, 'x');
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
  return add(cast, { x }, { outputType: dataType as 'float32' | 'bfloat16' }).y;
}

import { defineOp, type InputGradients, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requireSameType, requireVector } from './shapes.js';

/**
 * y = factor · x with a learned scalar, factor (1) in float32: how much of an attention's result is added, which DANet and
 * CCNet call gamma. Scale the values that are attended and not the result, which is the same: inference then folds the factor
 * into the convolution that makes them.
 */
export const scaleBy = defineOp({
  name: 'scaleBy',
  summary: 'product with a learned scalar',
  inputs: ['x', 'factor'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: {},
  facts: {
    affine: {
      input: 'x',
      parameters: ['factor'],
      coefficients: ([factor]) => ({ scale: factor as Float32Array, shift: new Float32Array(1) }),
    },
    exactInputs: ['factor'],
    inPlaceOf: 'x',
    readsSlices: ['x'],
    writesSlices: true,
  },
  infer({ x, factor }) {
    nhwc(x, 'x');
    requireFloat(x, 'x');
    requireVector(factor, 'factor', 1);
    return { y: x };
  },
  flops: (_inputs, { y }) => elementCount(y.shape),
  gradient: ({
    inputs: { x, factor },
    outputGradients: { y: dy },
    wants,
    add,
  }): InputGradients<'x' | 'factor'> => ({
    x: dy && wants('x') ? add(scaleBy, { x: dy, factor }, {}).y : undefined,
    factor: dy && wants('factor') ? add(dotProduct, { a: dy, b: x }, {}).y : undefined,
  }),
});

/** y (1), in float32: Σ a · b over all elements of a and b (N, H, W, C), added up in float64 and in a fixed order. */
export const dotProduct = defineOp({
  name: 'dotProduct',
  summary: 'inner product of two tensors',
  inputs: ['a', 'b'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: {},
  facts: { readsSlices: ['a', 'b'] },
  infer({ a, b }) {
    nhwc(a, 'a');
    requireFloat(a, 'a');
    requireSameType(a, b, 'a and b');
    return { y: { dataType: 'float32', shape: [1] } };
  },
  flops: ({ a }) => 2 * elementCount(a.shape),
  gradient: notDifferentiable, // it is itself a gradient
});

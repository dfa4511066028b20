import { defineOp } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat } from './shapes.js';

/** y = activation(x), element by element. The compiler moves it into the operation before it where that has an epilogue. */
export const activate = defineOp({
  name: 'activate',
  summary: 'ReLU, ReLU6 or leaky ReLU',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { ...epilogueAttributes },
  facts: { inPlaceOf: 'x', readsSlices: ['x'], writesSlices: true },
  infer({ x }) {
    nhwc(x, 'x');
    requireFloat(x, 'x');
    return { y: x };
  },
  flops: (_inputs, { y }) => elementCount(y.shape),
});

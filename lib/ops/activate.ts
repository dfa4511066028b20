import type { Value } from '../ir/graph.js';
import { type AddNode, defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { type EpilogueAttributes, epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

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
  gradient: ({ outputs, attributes, outputGradients: { y: dy }, add }) => ({
    x: dy && beforeActivation(add, dy, outputs.y, attributes),
  }),
});

/** dx = dy · activation′(x), which y alone tells: for ReLU, 1 where y > 0 and 0 elsewhere. At corners as PyTorch. */
export const activateGradient = defineOp({
  name: 'activateGradient',
  summary: 'gradient through an activation',
  inputs: ['dy', 'y'],
  optionalInputs: [],
  outputs: ['dx'],
  attributes: { ...epilogueAttributes },
  facts: { inPlaceOf: 'dy', readsSlices: ['dy', 'y'], writesSlices: true },
  infer({ dy, y }) {
    nhwc(dy, 'dy');
    requireFloat(dy, 'dy');
    requireSameType(dy, y, 'dy and y');
    return { dx: dy };
  },
  flops: (_inputs, { dx }) => elementCount(dx.shape),
  gradient: notDifferentiable, // first derivatives alone
});

/** The gradient of what an epilogue's activation was applied to, from that of its result y. */
export function beforeActivation(
  add: AddNode,
  dy: Value,
  y: Value,
  { activation, negativeSlope }: EpilogueAttributes,
): Value {
  if (activation === 'none') return dy;
  return add(activateGradient, { dy, y }, { activation, negativeSlope }).dx;
}

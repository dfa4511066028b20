import { elementCount } from '../../lib/ir/tensor-type.js';
import type { TrainingOperationName } from '../../lib/ops/index.js';
import type { ReferenceOp } from './reference-ops.js';

/** The operations of training in plain loops over float64: see reference-ops.ts. */

const join: ReferenceOp = (parts) => {
  const tensors = Object.values(parts);
  const count = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const data = new Float64Array(count);
  let first = 0;
  for (const tensor of tensors) {
    data.set(tensor.data, first);
    first += tensor.data.length;
  }
  return { y: { shape: [count], data } };
};

export const referenceTrainingOps = {
  join,
} satisfies Record<TrainingOperationName, ReferenceOp>;

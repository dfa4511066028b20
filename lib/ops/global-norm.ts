import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { requireFlat } from './shapes.js';

/**
 * The Euclidean norm of a flat vector x (n), and the factor that brings it down to `maximum`: norm (1), factor (1) = min(1,
 * maximum / (norm + 1e-6)), as PyTorch's clip_grad_norm_; 1 where maximum is 0. Summed in a fixed order.
 */
export const globalNorm = defineOp({
  name: 'globalNorm',
  summary: 'Euclidean norm, and the factor that clips it',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['norm', 'factor'],
  attributes: { maximum: float },
  facts: {},
  infer({ x }) {
    requireFlat({ x });
    const scalar = { dataType: 'float32', shape: [1] } as const;
    return { norm: scalar, factor: scalar };
  },
  flops: ({ x }) => 2 * elementCount(x.shape),
  gradient: notDifferentiable, // it comes after the backward pass
});

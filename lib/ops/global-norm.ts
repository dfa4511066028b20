import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { requireFlat } from './shapes.js';

/**
 * The Euclidean norm of gradientScale · x, a flat vector (n), and the factor that brings x down to `maximum`: norm (1), factor
 * (1) = gradientScale · min(1, maximum / (norm + 1e-6)), as PyTorch's clip_grad_norm_; gradientScale where maximum is 0. Where
 * the norm is no finite number the factor is NaN, so that the step tells; where gradientScale is 0, for a step that is skipped,
 * so is the factor, and norm is that of x. Summed in a fixed order.
 */
export const globalNorm = defineOp({
  name: 'globalNorm',
  summary: 'Euclidean norm, and the factor that clips it',
  inputs: ['x'],
  optionalInputs: ['gradientScale'],
  outputs: ['norm', 'factor'],
  attributes: { maximum: float },
  facts: {},
  infer({ x, gradientScale }) {
    requireFlat({ x });
    if (gradientScale) requireFlat({ gradientScale }, 1);
    const scalar = { dataType: 'float32', shape: [1] } as const;
    return { norm: scalar, factor: scalar };
  },
  flops: ({ x }) => 2 * elementCount(x.shape),
  gradient: notDifferentiable, // it comes after the backward pass
});

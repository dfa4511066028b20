import { int } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { requireFlat } from './shapes.js';

/**
 * Dynamic loss scaling (Micikevicius et al. 2018, section 3.2): gradients (n) are lossScale[0] times those of the loss, so that
 * small ones keep their bits in float16. Where all are finite, gradientScale (1) is 1 / lossScale[0], by which an optimiser
 * multiplies them; after `growthInterval` such steps in a row, which lossScale[1] counts, the scale doubles. Otherwise the scale
 * halves, and gradientScale is 0: the step is to change nothing. The scale stays within 2^±126. scale (1) is that of this step.
 */
export const adjustLossScale = defineOp({
  name: 'adjustLossScale',
  summary: 'factor of scaled gradients, and the scale of the next step',
  inputs: ['gradients', 'lossScale'],
  optionalInputs: [],
  outputs: ['newLossScale', 'gradientScale', 'scale'],
  attributes: { growthInterval: int },
  facts: { updates: { newLossScale: 'lossScale' } },
  infer({ gradients, lossScale }, { growthInterval }) {
    requireFlat({ gradients });
    requireFlat({ lossScale }, 2);
    requireShape(growthInterval > 0, () => `needs growthInterval > 0, got ${growthInterval}`);
    const scalar = { dataType: 'float32', shape: [1] } as const;
    return { newLossScale: lossScale, gradientScale: scalar, scale: scalar };
  },
  flops: ({ gradients }) => 2 * elementCount(gradients.shape),
  gradient: notDifferentiable, // it comes after the backward pass
});

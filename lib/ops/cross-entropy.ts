import { bool, float, int } from '../ir/attributes.js';
import { defineOp, requireShape } from '../ir/op.js';
import { elementCount, formatType } from '../ir/tensor-type.js';
import { nhwc, requireFlat, requireVector } from './shapes.js';

/**
 * Pixel cross-entropy and, in the same pass, its gradient. logits (N, h, w, K) are resized bilinearly to the size of the
 * labels (N, H, W) a row at a time, so that no map of full-size logits or probabilities is ever held.
 *
 * With c_k the class weights (1 where there are none), e the label smoothing, l_i the label of pixel i and p the softmax
 * over the classes: loss_i = −(1 − e) c_l log p_il − e / K Σ_k c_k log p_ik, and loss = weight · Σ_i loss_i / Σ_i c_l over
 * the pixels whose label is not `ignoreLabel`, as PyTorch's cross_entropy; 0 where all are ignored or have weight 0. A label
 * of K or more that is not ignored is an error when the plan runs, INVALID_DATA.
 *
 * Online hard example mining: where `hardThreshold` > 0, only pixels count whose p_il is at most the larger of
 * `hardThreshold` and the `hardMinimum`-th smallest p_il of the batch. A NaN counts, so that it is seen.
 *
 * dLogits, but not the loss, is lossScale[0] times itself where there is a scale: see adjust-loss-scale.ts.
 */
export const crossEntropy = defineOp({
  name: 'crossEntropy',
  summary: 'pixel cross-entropy with its gradient',
  inputs: ['logits', 'labels'],
  optionalInputs: ['classWeights', 'lossScale'],
  outputs: ['loss', 'dLogits'],
  attributes: {
    /** Of this loss in the sum of all losses. */
    weight: float,
    ignoreLabel: int,
    labelSmoothing: float,
    hardThreshold: float,
    hardMinimum: int,
    alignCorners: bool,
  },
  facts: { exactInputs: ['logits', 'classWeights', 'lossScale'] },
  infer({ logits, labels, classWeights, lossScale }, { labelSmoothing, hardMinimum }) {
    const [batch, , , classes] = nhwc(logits, 'logits');
    requireShape(logits.dataType === 'float32', () => `needs logits in float32, got ${formatType(logits)}`);
    requireShape(
      (labels.dataType === 'uint8' || labels.dataType === 'uint16') &&
        labels.shape.length === 3 &&
        labels.shape[0] === batch,
      () => `needs labels (${batch}, H, W) in uint8 or uint16, got ${formatType(labels)}`,
    );
    requireVector(classWeights, 'classWeights', classes);
    if (lossScale) requireFlat({ lossScale }, 2);
    requireShape(
      labelSmoothing >= 0 && labelSmoothing < 1,
      () => `needs a label smoothing in [0, 1), got ${labelSmoothing}`,
    );
    requireShape(hardMinimum >= 0, () => `needs hardMinimum >= 0, got ${hardMinimum}`);
    return { loss: { dataType: 'float32', shape: [1] }, dLogits: logits };
  },
  flops: ({ logits, labels }) => 20 * elementCount(labels.shape) * (logits.shape[3] as number),
  // A loss is where the backward pass starts.
  gradient: ({ outputs: { dLogits } }) => ({ logits: dLogits }),
});

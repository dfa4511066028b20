import { float } from '../ir/attributes.js';
import { defineOp } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { nhwc, requireFloat } from './shapes.js';

/**
 * Soft object regions: for each class, softmax(scale · logits) over all pixels of an image (not over classes). logits
 * (N, H, W, K) → regions (N, H, W, K), each map summing to one. Paper, section 3.2, "soft object regions".
 */
export const spatialSoftmax = defineOp({
  name: 'spatialSoftmax',
  summary: 'softmax over the pixels, per class',
  inputs: ['logits'],
  optionalInputs: [],
  outputs: ['regions'],
  attributes: { scale: float },
  facts: { exactInputs: ['logits'], readsSlices: ['logits'] },
  infer({ logits }) {
    nhwc(logits, 'logits');
    requireFloat(logits, 'logits');
    return { regions: { dataType: 'float32', shape: logits.shape } };
  },
  flops: ({ logits }) => 5 * elementCount(logits.shape),
});

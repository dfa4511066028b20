import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { formatType } from '../ir/tensor-type.js';
import { aggregateRegions } from './aggregate-regions.js';
import { spatialSoftmax } from './spatial-softmax.js';

/**
 * Object region representations straight from class scores, without the soft object regions between: the
 * {@link aggregateRegions} of features (N, H, W, C) by the {@link spatialSoftmax} of float32 logits (N, H, W, K) →
 * (N, K, 1, C). One pass over the pixels, blocks of which have maxima and sums of their own that are joined in the end (the
 * online softmax of Milakov and Gimelshein 2018).
 *
 * It takes the place of the two where the device gains by it and nobody else reads the regions:
 * lib/compile/passes/gather-regions.ts.
 */
export const gatherRegions = defineOp({
  name: 'gatherRegions',
  summary: 'features summed by the softmax over the pixels of class scores',
  inputs: ['logits', 'features'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { scale: float },
  facts: { exactInputs: ['logits'], readsSlices: ['logits', 'features'] },
  infer({ logits, features }, attributes) {
    requireShape(logits.dataType === 'float32', () => `needs float32 logits, got ${formatType(logits)}`);
    const { regions } = spatialSoftmax.infer({ logits }, attributes);
    return aggregateRegions.infer({ regions, features }, {});
  },
  flops: ({ logits, features }, { y }, attributes) =>
    spatialSoftmax.flops({ logits }, { regions: logits }, attributes) +
    aggregateRegions.flops({ regions: logits, features }, { y }, {}),
  gradient: notDifferentiable, // it comes after the backward pass was made
});

import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType } from '../ir/tensor-type.js';
import { castLike } from './cast.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

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
  gradient: ({
    inputs: { logits },
    outputs: { regions },
    attributes,
    outputGradients: { regions: dRegions },
    add,
  }) => ({
    logits:
      dRegions &&
      castLike(add, add(spatialSoftmaxGradient, { regions, dRegions }, attributes).dLogits, logits),
  }),
});

/** dLogits_ki = scale · regions_ki · (dRegions_ki − Σ_j regions_kj · dRegions_kj), all (N, H, W, K) in float32. */
export const spatialSoftmaxGradient = defineOp({
  name: 'spatialSoftmaxGradient',
  summary: 'gradient of the softmax over the pixels',
  inputs: ['regions', 'dRegions'],
  optionalInputs: [],
  outputs: ['dLogits'],
  attributes: { scale: float },
  facts: { exactInputs: ['regions', 'dRegions'], inPlaceOf: 'dRegions' },
  infer({ regions, dRegions }) {
    nhwc(regions, 'regions');
    requireShape(regions.dataType === 'float32', () => `needs float32 regions, got ${formatType(regions)}`);
    requireSameType(regions, dRegions, 'regions and dRegions');
    return { dLogits: regions };
  },
  flops: ({ regions }) => 4 * elementCount(regions.shape),
  gradient: notDifferentiable, // first derivatives alone
});

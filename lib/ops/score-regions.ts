import { defineOp, type InputGradients, requireShape } from '../ir/op.js';
import { elementCount, formatType, sameShape } from '../ir/tensor-type.js';
import { aggregateRegions } from './aggregate-regions.js';
import { distributeRegions } from './distribute-regions.js';
import { nhwc, requireFloat } from './shapes.js';

/**
 * How well each pixel fits each region: scores_ik = x_i · vectors_k. features (N, H, W, C), vectors (N, K, 1, C) →
 * (N, H, W, K), in float32. With aggregateRegions and distributeRegions it is closed under differentiation.
 */
export const scoreRegions = defineOp({
  name: 'scoreRegions',
  summary: 'inner products of pixels and region vectors',
  inputs: ['features', 'vectors'],
  optionalInputs: [],
  outputs: ['scores'],
  attributes: {},
  facts: { readsSlices: ['features'] },
  infer({ features, vectors }) {
    const [batch, height, width, channels] = nhwc(features, 'features');
    const classes = nhwc(vectors, 'vectors')[1];
    requireFloat(features, 'features');
    requireShape(
      features.dataType === vectors.dataType && sameShape(vectors.shape, [batch, classes, 1, channels]),
      () =>
        `needs features (N, H, W, C) and vectors (N, K, 1, C), got ${formatType(features)} and ${formatType(vectors)}`,
    );
    return { scores: { dataType: 'float32', shape: [batch, height, width, classes] } };
  },
  flops: ({ vectors }, { scores }) => 2 * elementCount(scores.shape) * (vectors.shape[3] as number),
  gradient: ({
    inputs: { features, vectors },
    outputGradients: { scores },
    wants,
    add,
  }): InputGradients<'features' | 'vectors'> => ({
    features:
      scores && wants('features') ? add(distributeRegions, { regions: scores, vectors }, {}).y : undefined,
    vectors:
      scores && wants('vectors') ? add(aggregateRegions, { regions: scores, features }, {}).y : undefined,
  }),
});

import { defineOp, type InputGradients, requireShape } from '../ir/op.js';
import { elementCount, formatType, sameShape } from '../ir/tensor-type.js';
import { aggregateRegions } from './aggregate-regions.js';
import { scoreRegions } from './score-regions.js';
import { nhwc, requireFloat } from './shapes.js';

/**
 * What regions give back to their pixels: y_i = Σ_k regions_ki · vectors_k. regions (N, H, W, K), vectors (N, K, 1, C) →
 * (N, H, W, C). With a relation in place of regions it is the context of the paper's equation 3 (y_i); it is the gradient
 * of {@link aggregateRegions}, and that is its own.
 */
export const distributeRegions = defineOp({
  name: 'distributeRegions',
  summary: 'region vectors mixed by pixel',
  inputs: ['regions', 'vectors'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: {},
  facts: { exactInputs: ['regions'], mixesRowsOf: 'vectors', mixesRowsBy: 'regions', writesSlices: true },
  infer({ regions, vectors }) {
    const [batch, height, width, classes] = nhwc(regions, 'regions');
    const channels = nhwc(vectors, 'vectors')[3];
    requireFloat(vectors, 'vectors');
    requireShape(
      regions.dataType === 'float32' && sameShape(vectors.shape, [batch, classes, 1, channels]),
      () =>
        `needs float32 regions (N, H, W, K) and vectors (N, K, 1, C), got ${formatType(regions)} and ${formatType(vectors)}`,
    );
    return { y: { dataType: vectors.dataType, shape: [batch, height, width, channels] } };
  },
  flops: ({ regions, vectors }) => 2 * elementCount(regions.shape) * (vectors.shape[3] as number),
  gradient: ({
    inputs: { regions, vectors },
    outputGradients: { y: dy },
    wants,
    add,
  }): InputGradients<'regions' | 'vectors'> => ({
    regions: dy && wants('regions') ? add(scoreRegions, { features: dy, vectors }, {}).scores : undefined,
    vectors: dy && wants('vectors') ? add(aggregateRegions, { regions, features: dy }, {}).y : undefined,
  }),
});

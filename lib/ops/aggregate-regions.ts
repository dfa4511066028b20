import { defineOp, type InputGradients, requireShape } from '../ir/op.js';
import { formatType, sameShape } from '../ir/tensor-type.js';
import { distributeRegions } from './distribute-regions.js';
import { scoreRegions } from './score-regions.js';
import { nhwc, requireFloat } from './shapes.js';

/**
 * Object region representations: f_k = Σ_i regions_ki · x_i over the pixels i of an image. regions (N, H, W, K), features
 * (N, H, W, C) → (N, K, 1, C): one "pixel" a class, so that convolutions apply. Paper, equation 3 (f_k).
 */
export const aggregateRegions = defineOp({
  name: 'aggregateRegions',
  summary: 'features summed by soft region',
  inputs: ['regions', 'features'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: {},
  facts: { exactInputs: ['regions'], readsSlices: ['features'] },
  infer({ regions, features }) {
    const [batch, height, width, classes] = nhwc(regions, 'regions');
    const channels = nhwc(features, 'features')[3];
    requireFloat(features, 'features');
    requireShape(
      regions.dataType === 'float32' && sameShape(features.shape.slice(0, 3), [batch, height, width]),
      () =>
        `needs float32 regions of the features' size, got ${formatType(regions)} and ${formatType(features)}`,
    );
    return { y: { dataType: features.dataType, shape: [batch, classes, 1, channels] } };
  },
  flops: ({ regions, features }) =>
    2 * (regions.shape as number[]).reduce((a, b) => a * b, 1) * (features.shape[3] as number),
  gradient: ({
    inputs: { regions, features },
    outputGradients: { y: dy },
    wants,
    add,
  }): InputGradients<'regions' | 'features'> => ({
    regions: dy && wants('regions') ? add(scoreRegions, { features, vectors: dy }, {}).scores : undefined,
    features: dy && wants('features') ? add(distributeRegions, { regions, vectors: dy }, {}).y : undefined,
  }),
});

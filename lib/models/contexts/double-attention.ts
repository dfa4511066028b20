import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation } from '../../nn/layers.js';
import { aggregateRegions, distributeRegions, softmax, spatialSoftmax } from '../../ops/index.js';
import { linear } from './attention.js';
import { auxiliaryFields, count, normActivation, sideBySide, trunk } from './parts.js';

export const doubleAttentionSchema = z.strictObject({
  kind: z.literal('double-attention'),
  /** Of the pixels, and of the result. */
  channels: count,
  /** Of the gathered vectors. */
  keyChannels: count,
  /** How many vectors are gathered: K of the paper's Table 7. */
  regions: count,
  ...auxiliaryFields,
});

/** Double attention, as plain data. */
export type DoubleAttentionConfig = z.infer<typeof doubleAttentionSchema>;

/**
 * Double attention. Chen et al. 2018 (A²-Nets). x (N, H, W, C) → 3×3 convolution to `channels` → K vectors g_k, each the mean of
 * A·x under a map (softmax over the pixels of B·x); each pixel gets Σ_k w_ik · g_k with w = softmax over k of V·x; `W` brings
 * the sums back to `channels`; beside the pixels, a 1×1 convolution of both.
 *
 * There is no published code of the authors; A, B and V are named as in the paper. Its result is added to the pixels, OCR's
 * authors put it beside them: only that has the FLOPs of Table 4. They print 10.2M parameters for what are 10.29M with K = 64.
 */
export function doubleAttention(builder: GraphBuilder, x: Value, config: DoubleAttentionConfig): Value {
  const { channels, keyChannels, regions: regionCount } = config;
  const pixels = trunk(builder, x, config);
  const module = builder.at('double_attention');
  const gather = module.at('gather');
  const maps = linear(module.at('B'), pixels, regionCount);
  const regions = gather.add(spatialSoftmax, { logits: maps }, { scale: 1 }).regions;
  const features = linear(module.at('A'), pixels, keyChannels);
  const vectors = gather.add(aggregateRegions, { regions, features }, {}).y;
  const distribute = module.at('distribute');
  const relation = distribute.add(
    softmax,
    { x: linear(module.at('V'), pixels, regionCount) },
    { scale: 1 },
  ).y;
  const distributed = distribute.add(distributeRegions, { regions: relation, vectors }, {}).y;
  const context = linear(module.at('W'), distributed, channels);
  const options = { channels, kernel: 1, bias: true, ...normActivation(config) };
  return convNormActivation(
    module.at('conv_bn_dropout'),
    [0, 1],
    sideBySide(module, [context, pixels]),
    options,
  );
}

import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation } from '../../nn/layers.js';
import { aggregateRegions, attendPixels, scoreRegions, softmax } from '../../ops/index.js';
import { plus, projections, scaledByGamma } from './attention.js';
import { auxiliaryFields, count, normActivation } from './parts.js';

export const danetSchema = z.strictObject({
  kind: z.literal('danet'),
  channels: count,
  /** Of queries and keys. */
  keyChannels: count,
  ...auxiliaryFields,
});

/** Dual attention, as plain data. */
export type DanetConfig = z.infer<typeof danetSchema>;

/**
 * Dual attention. Fu et al. 2019 (DANet). x (N, H, W, C) → two branches: 3×3 convolution to `channels`, attention of positions
 * or of channels, 3×3 convolution; each convolution with BN and ReLU; their sum.
 *
 * Names are those of the published DANetHead. There each branch is classified and supervised on its own, too; here the sum
 * alone, and an auxiliary head on stage 3 as with every other context. The paper's Table 4 prints 10.6M parameters, which the
 * FLOPs beside them exclude: this head has both FLOPs and parameters of the original, 23.9M.
 */
export function danet(builder: GraphBuilder, x: Value, config: DanetConfig): Value {
  const { channels, keyChannels } = config;
  const conv = (name: string, input: Value) =>
    convNormActivation(builder.at(name), [0, 1], input, { channels, kernel: 3, ...normActivation(config) });
  const positions = conv('conv51', positionAttention(builder.at('sa'), conv('conv5a', x), keyChannels));
  const ofChannels = conv('conv52', channelAttention(builder.at('sc'), conv('conv5c', x)));
  return plus(builder, positions, ofChannels);
}

/** x + gamma · Σ_j softmax_j(query_i · key_j) · value_j over all pixels j. */
function positionAttention(builder: GraphBuilder, x: Value, keyChannels: number): Value {
  const attended = builder.add(attendPixels, projections(builder, x, keyChannels), { scale: 1 }).y;
  return plus(builder, attended, x);
}

/**
 * x + gamma · A·x, where A (C × C) is the softmax over j of −x_i · x_j, with channels x_i as vectors over the pixels: the
 * published code takes the softmax of max(e) − e, which is the same.
 */
function channelAttention(builder: GraphBuilder, x: Value): Value {
  const gram = builder.add(aggregateRegions, { regions: x, features: x }, {}).y;
  const attention = builder.add(softmax, { x: gram }, { scale: -1 }).y;
  const vectors = scaledByGamma(builder, attention);
  return plus(builder, builder.add(scoreRegions, { features: x, vectors }, {}).scores, x);
}

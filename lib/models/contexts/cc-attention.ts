import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation } from '../../nn/layers.js';
import { attendCrissCross } from '../../ops/index.js';
import { plus, projections } from './attention.js';
import { auxiliaryFields, count, normActivation, sideBySide } from './parts.js';

export const ccAttentionSchema = z.strictObject({
  kind: z.literal('cc-attention'),
  channels: count,
  /** Of queries and keys. */
  keyChannels: count,
  /** How often the attention is applied, with the same parameters: after two every pixel has seen every other. */
  recurrence: count.max(8),
  ...auxiliaryFields,
});

/** Criss-cross attention, as plain data. */
export type CcAttentionConfig = z.infer<typeof ccAttentionSchema>;

/**
 * Recurrent criss-cross attention. Huang et al. 2019 (CCNet). x (N, H, W, C) → 3×3 convolution to `channels` → x + gamma ·
 * attention of each pixel to its row and column, twice with the same parameters → 3×3 convolution; beside x, a 3×3 convolution
 * of both; each convolution with BN and ReLU.
 *
 * Names are those of the published RCCAModule, whose last convolution is the classifier of the head here. It has in-place ABN,
 * with leaky ReLU: `negativeSlope: 0.01`. As with DANet, Table 4's 10.6M parameters do not go with its FLOPs; these are 23.9M.
 */
export function ccAttention(builder: GraphBuilder, x: Value, config: CcAttentionConfig): Value {
  const { channels, keyChannels, recurrence } = config;
  const conv = (name: string, input: Value) =>
    convNormActivation(builder.at(name), [0, 1], input, { channels, kernel: 3, ...normActivation(config) });
  const attention = builder.at('cca');
  let y = conv('conva', x);
  for (let i = 0; i < recurrence; i++) {
    const attended = attention.add(attendCrissCross, projections(attention, y, keyChannels), { scale: 1 }).y;
    y = plus(attention, attended, y);
  }
  return conv('bottleneck', sideBySide(builder, [x, conv('convb', y)]));
}

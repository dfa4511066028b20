import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation } from '../../nn/layers.js';
import { attendPixels } from '../../ops/index.js';
import { linear } from './attention.js';
import { auxiliaryFields, count, normActivation, sideBySide, trunk } from './parts.js';

export const selfAttentionSchema = z.strictObject({
  kind: z.literal('self-attention'),
  /** Of the pixels that attend, and of the result. */
  channels: count,
  /** Of queries, keys and values. */
  keyChannels: count,
  ...auxiliaryFields,
});

/** Self-attention of pixels, as plain data. */
export type SelfAttentionConfig = z.infer<typeof selfAttentionSchema>;

/**
 * Self-attention. Wang et al. 2018 (non-local networks), as Yuan et al. 2018 (OCNet) put it into segmentation. x (N, H, W, C)
 * → 3×3 convolution to `channels` → queries and keys (1×1 convolution → BN → ReLU) and values (1×1 convolution) of
 * `keyChannels`; each pixel attends to all, scaled by 1/√keyChannels; a 1×1 convolution back to `channels`; beside the pixels,
 * a 1×1 convolution of both.
 *
 * Names are those of openseg's SelfAttentionBlock2D and BaseOC_Module, [context, pixels] too. There queries and keys have two
 * convolutions, and `W` starts at zero; with one each the parameters and FLOPs are those of the paper's Table 4.
 */
export function selfAttention(builder: GraphBuilder, x: Value, config: SelfAttentionConfig): Value {
  const { channels, keyChannels } = config;
  const after = normActivation(config);
  const pixels = trunk(builder, x, config);
  const module = builder.at('self_attention');
  const block = module.at('stages').at(0);
  const projected = (name: string) =>
    convNormActivation(block.at(name), [0, 1], pixels, {
      channels: keyChannels,
      kernel: 1,
      bias: true,
      ...after,
    });
  const attended = block.add(
    attendPixels,
    {
      query: projected('f_query'),
      key: projected('f_key'),
      value: linear(block.at('f_value'), pixels, keyChannels),
    },
    { scale: keyChannels ** -0.5 },
  ).y;
  const context = linear(block.at('W'), attended, channels);
  const options = { channels, kernel: 1, bias: true, ...after };
  return convNormActivation(
    module.at('conv_bn_dropout'),
    [0, 1],
    sideBySide(module, [context, pixels]),
    options,
  );
}

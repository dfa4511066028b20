import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import { channelsOf, convNormActivation, dropout, pixelClassifier, relu } from '../../nn/layers.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { dropoutRate } from './parts.js';
import type { Scores } from './scores.js';

export const plainHeadSchema = z.strictObject({
  kind: z.literal('none'),
  /** `fcn`: 3×3 to a quarter of the channels, as torchvision's FCN. `hrnet`: 1×1, as HRNet's segmentation head. */
  head: z.enum(['fcn', 'hrnet']),
  /** In training, before the classifier: of single elements in `fcn`, as torchvision's, of whole channels in `hrnet`. */
  dropout: dropoutRate.default(0),
});

/** Classification of each pixel by itself, without context. */
export type PlainHeadConfig = z.infer<typeof plainHeadSchema>;

/** Scope names, with the gap that an activation leaves in the Sequential they come from. */
const heads = {
  fcn: { scope: 'classifier', kernel: 3, shrink: 4, bias: false, drops: 'elements', last: 4 },
  hrnet: { scope: 'last_layer', kernel: 1, shrink: 1, bias: true, drops: 'channels', last: 3 },
} as const;

/** Convolution → BN → ReLU → dropout → 1×1 convolution on the final features. */
export function plainHead(
  builder: GraphBuilder,
  { final }: BackboneFeatures,
  classes: number,
  config: PlainHeadConfig,
): Scores {
  const { scope, kernel, shrink, bias, drops, last } = heads[config.head];
  const head = builder.at(scope);
  const hidden = convNormActivation(head, [0, 1], final, {
    channels: Math.max(1, Math.floor(channelsOf(final) / shrink)),
    kernel,
    bias,
    activation: relu,
  });
  const kept = dropout(head.at('dropout'), hidden, config.dropout, drops);
  return { logits: pixelClassifier(head.at(last), kept, classes) };
}

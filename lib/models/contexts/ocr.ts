import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import { pixelClassifier } from '../../nn/layers.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { moduleFields, objectContext, regionHead, softRegions } from './object-context.js';
import { auxiliaryHead, count } from './parts.js';
import type { Scores } from './scores.js';

export const ocrSchema = z.strictObject({
  kind: z.literal('ocr'),
  ...moduleFields,
  /**
   * What the auxiliary loss trains: the regions, as the paper's method; or an auxiliary head of its own on the intermediate
   * features, so that the regions learn from the final loss alone (the paper's Table 1, without region supervision).
   */
  supervision: z.enum(['regions', 'auxiliary']).default('regions'),
  /** With `supervision: auxiliary`, hidden channels of the auxiliary head; by default `channels`. */
  auxiliaryChannels: count.optional(),
});

/** Object-contextual representations, as plain data. */
export type OcrConfig = z.infer<typeof ocrSchema>;

/** Region scores from the intermediate features, object context, and the classifier of the augmented representation. */
export function ocrHead(
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: OcrConfig,
): Scores {
  const { supervision, auxiliaryChannels = config.channels } = config;
  const regionLogits = regionHead(builder.at('aux_head'), features.intermediate, classes, config);
  const regions = softRegions(builder, regionLogits);
  const representation = objectContext(builder, features.final, config, { regions });
  return {
    logits: pixelClassifier(builder.at('cls_head'), representation, classes),
    auxiliaryLogits:
      supervision === 'regions'
        ? regionLogits
        : auxiliaryHead(builder, features, classes, { ...config, auxiliaryChannels }),
    regionLogits,
    regions,
  };
}

import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { channelsOf } from '../../nn/layers.js';
import { softmax } from '../../ops/index.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { linear } from './attention.js';
import { type GivenObjects, moduleFields, objectContext, regionHead, softRegions } from './object-context.js';
import { auxiliaryHead, count, representationClassifier } from './parts.js';
import type { Scores } from './scores.js';

export const ocrSchema = z.strictObject({
  kind: z.literal('ocr'),
  ...moduleFields,
  /**
   * Where the pixel-region relation comes from: pixels and regions, as the paper's method; the pixel alone, by a linear map as in
   * double attention (`da`); or the coarse class probabilities, as in ACFNet (`acf`). Both others are of the paper's Table 1.
   */
  relation: z.enum(['pixel-region', 'da', 'acf']).default('pixel-region'),
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
  const objects = objectsOf(builder, regionLogits, config);
  const { y, relation } = objectContext(builder, features.final, config, objects);
  return {
    logits: representationClassifier(builder, y, classes, config),
    auxiliaryLogits:
      supervision === 'regions'
        ? regionLogits
        : auxiliaryHead(builder, features, classes, { ...config, auxiliaryChannels }),
    regionLogits,
    regions: objects.regions,
    relation,
  };
}

/** The soft object regions of class scores (N, H, W, K), and the relation where it is not that of pixels and regions. */
export function objectsOf(builder: GraphBuilder, regionLogits: Value, config: OcrConfig): GivenObjects {
  const regions = softRegions(builder.at('ocr_gather_head'), regionLogits);
  const relations: Record<OcrConfig['relation'], GivenObjects['relation']> = {
    'pixel-region': undefined,
    da: (pixels, block) => {
      const scores = linear(block.at('f_relation'), pixels, channelsOf(regionLogits));
      return block.add(softmax, { x: scores }, { scale: 1 }).y;
    },
    acf: (_pixels, block) => block.add(softmax, { x: regionLogits }, { scale: 1 }).y,
  };
  return { regions, relation: relations[config.relation] };
}

import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { labelRegions } from '../../ops/index.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { moduleFields, objectContext, regionHead, softRegions } from './object-context.js';
import { classified } from './parts.js';
import type { Scores } from './scores.js';

export const groundTruthOcrSchema = z.strictObject({
  kind: z.literal('ground-truth-ocr'),
  ...moduleFields,
  /** What is known: regions and relation; the regions alone, and the relation is computed; or the relation alone. */
  truth: z.enum(['both', 'regions', 'relation']).default('both'),
  /**
   * Hidden channels of an auxiliary head on the intermediate features, where there are no region scores to supervise; 0: there
   * is none.
   */
  auxiliaryChannels: z.int().min(0).default(0),
});

/**
 * OCR whose regions, relation or both are the truth: its input "labels" says to which region each pixel belongs. With both it
 * is the upper bound of the paper's Figure 1; it cannot segment what is not labelled.
 */
export type GroundTruthOcrConfig = z.infer<typeof groundTruthOcrSchema>;

/**
 * OCR with what `labels` (N, H, W) say in place of what is predicted. Unlabelled pixels belong to no region and get no context;
 * in openseg (IdealSpatialOCRNet and its variants) they are one more region. Only where regions are predicted are there scores
 * of them to supervise; openseg's auxiliary head beside known regions is `auxiliaryChannels`.
 */
export function groundTruthOcrHead(
  builder: GraphBuilder,
  features: BackboneFeatures,
  labels: Value,
  classes: number,
  config: GroundTruthOcrConfig,
): Scores {
  const { truth } = config;
  const [, height = 0, width = 0] = features.final.type.shape;
  const known = (normalised: boolean) =>
    builder.at('labels').add(labelRegions, { labels }, { height, width, classes, normalised }).regions;
  const regionLogits =
    truth === 'relation'
      ? regionHead(builder.at('aux_head'), features.intermediate, classes, config)
      : undefined;
  const regions = regionLogits ? softRegions(builder.at('ocr_gather_head'), regionLogits) : known(true);
  const relation = truth === 'regions' ? undefined : () => known(false);
  const context = objectContext(builder, features.final, config, { regions, relation });
  const scores = classified(
    builder,
    features,
    classes,
    regionLogits ? { ...config, auxiliaryChannels: 0 } : config,
    context.y,
  );
  const objects = { regions, relation: context.relation };
  return regionLogits
    ? { ...scores, ...objects, auxiliaryLogits: regionLogits, regionLogits }
    : { ...scores, ...objects };
}

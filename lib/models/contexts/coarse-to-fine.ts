import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { constant } from '../../ir/initializer.js';
import { noActivation } from '../../ops/epilogue.js';
import { add, scaleBy } from '../../ops/index.js';
import type { BackboneFeatures } from '../backbones/features.js';
import {
  auxiliaryFields,
  auxiliaryHead,
  classified,
  count,
  representationClassifier,
  sideBySide,
  trunk,
} from './parts.js';
import type { Scores } from './scores.js';

export const coarseToFineSchemes = [
  'coarse-only',
  'fine-only',
  'label-ensemble',
  'label-refinement',
] as const;
export type CoarseToFineScheme = (typeof coarseToFineSchemes)[number];

export const coarseToFineSchema = z
  .strictObject({
    kind: z.literal('coarse-to-fine'),
    scheme: z.enum(coarseToFineSchemes),
    /** Hidden channels of the fine head. */
    channels: count,
    ...auxiliaryFields,
    /** Hidden channels of the coarse head on the intermediate features; 0, with fine-only alone: there is none. */
    auxiliaryChannels: z.int().min(0),
  })
  .refine(({ scheme, auxiliaryChannels }) => scheme === 'fine-only' || auxiliaryChannels > 0, {
    path: ['auxiliaryChannels'],
    error: 'expected channels of the coarse head, which only fine-only can do without',
  });

/** The coarse-to-fine schemes of the paper's Table 6, as plain data. */
export type CoarseToFineConfig = z.infer<typeof coarseToFineSchema>;

/**
 * Coarse class scores of the intermediate features, fine ones of the final features, and what the paper's Table 6 makes of
 * both:
 *
 * - `coarse-only`: the coarse scores. The backbone ends at its intermediate features.
 * - `fine-only`: the fine scores; the coarse head is the auxiliary one, as in openseg's FcnNet.
 * - `label-ensemble`: a weighted sum of both scores. The two weights are learned and start at one half each.
 * - `label-refinement`: the coarse scores beside the final features are what the fine head reads, as in Islam et al. 2017
 *   (Label Refinement Network), which joins scores and features, too.
 *
 * Each head is 3×3 convolution → BN → ReLU → 1×1 convolution. Neither Table 6 nor its code was published in more detail.
 */
export function coarseToFineHead(
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: CoarseToFineConfig,
): Scores {
  const { scheme } = config;
  if (scheme === 'fine-only')
    return classified(builder, features, classes, config, trunk(builder, features.final, config));

  const coarse = auxiliaryHead(builder, features, classes, config);
  if (scheme === 'coarse-only') return { logits: coarse };

  const read = scheme === 'label-refinement' ? sideBySide(builder, [coarse, features.final]) : features.final;
  const fine = representationClassifier(builder, trunk(builder, read, config), classes, config);
  return {
    logits: scheme === 'label-ensemble' ? weightedSum(builder.at('ensemble'), { coarse, fine }) : fine,
    auxiliaryLogits: coarse,
  };
}

function weightedSum(builder: GraphBuilder, scores: { coarse: Value; fine: Value }): Value {
  const weighted = (name: keyof typeof scores) => {
    const factor = builder.parameter(name, [1], {
      kind: 'stored',
      fileLayout: 'plain',
      initializer: constant(0.5),
      trainable: true,
    });
    return builder.at(name).add(scaleBy, { x: scores[name], factor }, {}).y;
  };
  return builder.add(add, { a: weighted('coarse'), b: weighted('fine') }, noActivation).y;
}

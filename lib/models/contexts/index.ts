import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { plainHead, plainHeadSchema } from './none.js';
import { groundTruthOcrHead, groundTruthOcrSchema, ocrHead, ocrSchema } from './ocr.js';
import type { Scores } from './scores.js';

export const contextSchema = z.discriminatedUnion('kind', [plainHeadSchema, ocrSchema, groundTruthOcrSchema]);
export type ContextConfig = z.infer<typeof contextSchema>;

/** Whether a network with this head is told the truth: it has an input "labels" (N, H, W). */
export const readsLabels = (config: ContextConfig): boolean => config.kind === 'ground-truth-ocr';

/** Builds any head, with its context module, on a backbone's features. `labels` makes the labels' input. */
export function buildContext(
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: ContextConfig,
  labels: () => Value,
): Scores {
  switch (config.kind) {
    case 'none':
      return plainHead(builder, features, classes, config);
    case 'ocr':
      return ocrHead(builder, features, classes, config);
    case 'ground-truth-ocr':
      return groundTruthOcrHead(builder, features, labels(), classes, config);
  }
}

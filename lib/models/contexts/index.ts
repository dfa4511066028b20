import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { plainHead, plainHeadSchema } from './none.js';
import { ocrHead, ocrSchema } from './ocr.js';
import type { Scores } from './scores.js';

export const contextSchema = z.discriminatedUnion('kind', [plainHeadSchema, ocrSchema]);
export type ContextConfig = z.infer<typeof contextSchema>;

/** Builds any head, with its context module, on a backbone's features. */
export function buildContext(
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: ContextConfig,
): Scores {
  switch (config.kind) {
    case 'none':
      return plainHead(builder, features, classes, config);
    case 'ocr':
      return ocrHead(builder, features, classes, config);
  }
}

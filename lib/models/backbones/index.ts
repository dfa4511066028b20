import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import type { BackboneEnd, BackboneFeatures } from './features.js';
import { hrNet, hrNetSchema } from './hrnet.js';
import { mobileNetV2, mobileNetV2Schema } from './mobilenet-v2.js';
import { resNet, resNetSchema } from './resnet.js';

export const backboneSchema = z.discriminatedUnion('kind', [resNetSchema, hrNetSchema, mobileNetV2Schema]);
export type BackboneConfig = z.infer<typeof backboneSchema>;

export interface BackboneOptions {
  /** For backbones that resize inside. */
  readonly alignCorners: boolean;
  /** Where it ends, so that there is nothing that nobody reads; by default at its final features. */
  readonly end?: BackboneEnd;
}

/** Builds any backbone on x (N, H, W, 3). */
export function buildBackbone(
  builder: GraphBuilder,
  x: Value,
  config: BackboneConfig,
  options: BackboneOptions,
): BackboneFeatures {
  switch (config.kind) {
    case 'resnet':
      return resNet(builder, x, config, options.end);
    case 'hrnet':
      return hrNet(builder, x, config, options);
    case 'mobilenet-v2':
      return mobileNetV2(builder, x, config, options.end);
  }
}

import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import type { BackboneFeatures } from './features.js';
import { hrNet, hrNetSchema } from './hrnet.js';
import { mobileNetV2, mobileNetV2Schema } from './mobilenet-v2.js';
import { resNet, resNetSchema } from './resnet.js';

export const backboneSchema = z.discriminatedUnion('kind', [resNetSchema, hrNetSchema, mobileNetV2Schema]);
export type BackboneConfig = z.infer<typeof backboneSchema>;

/** Builds any backbone on x (N, H, W, 3). `alignCorners` is for backbones that resize inside. */
export function buildBackbone(
  builder: GraphBuilder,
  x: Value,
  config: BackboneConfig,
  resizing: { alignCorners: boolean },
): BackboneFeatures {
  switch (config.kind) {
    case 'resnet':
      return resNet(builder, x, config);
    case 'hrnet':
      return hrNet(builder, x, config, resizing);
    case 'mobilenet-v2':
      return mobileNetV2(builder, x, config);
  }
}

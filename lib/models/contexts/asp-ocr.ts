import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation } from '../../nn/layers.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { dilatedBranches, dilationsField } from './aspp.js';
import { type Contextual, objectAttention, softRegions } from './object-context.js';
import {
  count,
  dropoutFields,
  hiddenClassifier,
  normActivation,
  normFields,
  representationClassifier,
  sideBySide,
} from './parts.js';
import type { Scores } from './scores.js';

export const aspOcrSchema = z.strictObject({
  kind: z.literal('asp-ocr'),
  /** Of each branch, and of the result. */
  channels: count,
  /** Of queries, keys and values. */
  keyChannels: count,
  dilations: dilationsField,
  /** Hidden channels of the region head. */
  regionHeadChannels: count,
  ...normFields,
  ...dropoutFields,
});

/** OCR inside ASPP, as plain data. */
export type AspOcrConfig = z.infer<typeof aspOcrSchema>;

/**
 * OCR in place of the mean of ASPP's branches: the system of HRNet, OCR and ASPP that was the paper's best on Cityscapes. Region
 * scores come from the intermediate features, as in OCR, and are supervised. As openseg's ASPOCRNet and HRNet_W48_ASPOCR.
 */
export function aspOcrHead(
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: AspOcrConfig,
): Scores {
  const regionLogits = hiddenClassifier(builder.at('aux_head'), features.intermediate, classes, {
    ...config,
    channels: config.regionHeadChannels,
  });
  const module = builder.at('asp_ocr_head');
  const regions = softRegions(module.at('object_head'), regionLogits);
  const { y, relation } = aspOcr(module, features.final, config, regions);
  const logits = representationClassifier(builder, y, classes, config);
  return { logits, auxiliaryLogits: regionLogits, regionLogits, regions, relation };
}

/**
 * The module: features (N, H, W, C) and regions (N, H, W, K) → (N, H, W, channels). A 3×3 convolution whose pixels attend to
 * regions, the context alone; a 1×1 convolution; three dilated 3×3 ones; all side by side, then a 1×1 convolution. Names are
 * those of openseg's SpatialOCR_ASP_Module.
 */
export function aspOcr(builder: GraphBuilder, x: Value, config: AspOcrConfig, regions: Value): Contextual {
  const { channels, dilations } = config;
  const options = { channels, bias: true, ...normActivation(config) };
  const context = builder.at('context');
  const pixels = convNormActivation(context, [0, 1], x, { kernel: 3, ...options });
  const block = context.at(2).at('object_context_block');
  const { y, relation } = objectAttention(block, pixels, { ...config, form: 'openseg' }, { regions });
  const scopes = ['conv2', 'conv3', 'conv4', 'conv5'] as const;
  const branches = dilatedBranches(builder, scopes, x, { ...options, dilations });
  const joint = sideBySide(builder, [y, ...branches]);
  const fuse = builder.at('conv_bn_dropout');
  return { y: convNormActivation(fuse, [0, 1], joint, { kernel: 1, ...options }), relation };
}

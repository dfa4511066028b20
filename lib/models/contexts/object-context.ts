import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { channelsOf, convNormActivation, dropout, pixelClassifier } from '../../nn/layers.js';
import { noActivation } from '../../ops/epilogue.js';
import {
  aggregateRegions,
  attendRegions,
  distributeRegions,
  scoreRegions,
  softmax,
  spatialSoftmax,
} from '../../ops/index.js';
import { count, dropoutFields, normActivation, normFields, sideBySide } from './parts.js';

/** The module as the paper describes it, and as the two published code bases build it. */
export const ocrForms = ['paper', 'openseg', 'hrnet-ocr'] as const;
export type OcrForm = (typeof ocrForms)[number];

/** What the module has in common, wherever its regions come from. */
export const moduleFields = {
  form: z.enum(ocrForms),
  /** Channels of the augmented representation, and of the pixels' where there is a pixel convolution. */
  channels: count,
  /** Channels of queries, keys and values. */
  keyChannels: count,
  /** Whether a 3×3 convolution brings the features to `channels` first. */
  pixelConvolution: z.boolean(),
  /** Hidden channels of the region head, in the forms where it is not linear; by default those of its input. */
  regionHeadChannels: count.optional(),
  ...normFields,
  ...dropoutFields,
};

export type ObjectContextConfig = z.infer<z.ZodObject<typeof moduleFields>>;

/** Where the forms differ. */
interface FormFacts {
  /** Kernel of the region head's hidden convolution; a linear head has none. */
  readonly regionHeadKernel: number | undefined;
  /** Biases in convolutions in front of batch normalisation: of the pixel convolution, and inside the module. */
  readonly pixelBias: boolean;
  readonly innerBias: boolean;
  /** 1×1 convolutions in φ and ψ. */
  readonly transformLayers: number;
  /** Whether φ(x)ᵀψ(f) is divided by √keyChannels. */
  readonly scaledRelation: boolean;
  readonly contextFirst: boolean;
  /** Rate of dropout of the representation's channels when the form was published. */
  readonly dropout: number;
}

export const formFacts: Readonly<Record<OcrForm, FormFacts>> = {
  paper: {
    regionHeadKernel: undefined,
    pixelBias: false,
    innerBias: false,
    transformLayers: 1,
    scaledRelation: false,
    contextFirst: false,
    dropout: 0,
  },
  openseg: {
    regionHeadKernel: 3,
    pixelBias: true,
    innerBias: true,
    transformLayers: 2,
    scaledRelation: true,
    contextFirst: true,
    dropout: 0.05,
  },
  'hrnet-ocr': {
    regionHeadKernel: 1,
    pixelBias: true,
    innerBias: false,
    transformLayers: 2,
    scaledRelation: true,
    contextFirst: true,
    dropout: 0.05,
  },
};

/** Coarse class scores (N, H, W, K) of the intermediate features, whose softmax over the pixels is the soft object regions. */
export function regionHead(
  builder: GraphBuilder,
  x: Value,
  classes: number,
  config: ObjectContextConfig,
): Value {
  const kernel = formFacts[config.form].regionHeadKernel;
  if (kernel === undefined) return pixelClassifier(builder, x, classes);
  const channels = config.regionHeadChannels ?? channelsOf(x);
  const hidden = convNormActivation(builder, [0, 1], x, {
    channels,
    kernel,
    bias: true,
    ...normActivation(config),
  });
  return pixelClassifier(builder.at(3), dropout(builder.at(2), hidden, config.auxiliaryDropout), classes);
}

/** Soft object regions (N, H, W, K) from coarse class scores. */
export const softRegions = (builder: GraphBuilder, regionLogits: Value): Value =>
  builder.add(spatialSoftmax, { logits: regionLogits }, { scale: 1 }).regions;

/** What of the module is given: the regions, and on request the relation of pixels to regions, both (N, H, W, K). */
export interface GivenObjects {
  readonly regions: Value;
  /** Finds the relation from the pixels; without it, it is that of pixels and regions. */
  readonly relation?: ((pixels: Value, builder: GraphBuilder) => Value) | undefined;
}

/** Channels and form of the attention of pixels to regions. */
export type AttentionConfig = Pick<
  ObjectContextConfig,
  'form' | 'channels' | 'keyChannels' | 'epsilon' | 'negativeSlope'
>;

/** What the module makes of the pixels, (N, H, W, channels). */
export interface Contextual {
  readonly y: Value;
  /** Adds the relation of pixels to regions (N, H, W, K), which otherwise never exists as a whole. */
  readonly relation: () => Value;
}

/**
 * The object context y_i = ρ(Σ_k w_ik · δ(f_k)) of pixels (N, H, W, C). Paper, equations 3 to 5; in the published code
 * ObjectAttentionBlock2D.
 */
export function objectAttention(
  block: GraphBuilder,
  pixels: Value,
  config: AttentionConfig,
  { regions, relation }: GivenObjects,
): Contextual {
  const { innerBias: bias, transformLayers, scaledRelation } = formFacts[config.form];
  const { channels, keyChannels } = config;
  const transform = (name: string, x: Value, width: number, layers = 1): Value => {
    const options = { channels: width, kernel: 1, bias, ...normActivation(config) };
    let y = x;
    for (let layer = 0; layer < layers; layer++)
      y = convNormActivation(block.at(name), [2 * layer, 2 * layer + 1], y, options);
    return y;
  };

  const objects = block.add(aggregateRegions, { regions, features: pixels }, {}).y;
  if (relation) {
    const given = relation(pixels, block);
    const vectors = transform('f_down', objects, keyChannels);
    const distributed = block.add(distributeRegions, { regions: given, vectors }, {}).y;
    return { y: transform('f_up', distributed, channels), relation: () => given };
  }
  const query = transform('f_pixel', pixels, keyChannels, transformLayers);
  const key = transform('f_object', objects, keyChannels, transformLayers);
  const value = transform('f_down', objects, keyChannels);
  const scale = scaledRelation ? keyChannels ** -0.5 : 1;
  const attended = block.add(attendRegions, { query, key, value }, { scale, ...noActivation }).y;
  return {
    y: transform('f_up', attended, channels),
    relation: () => {
      const scores = block.add(scoreRegions, { features: query, vectors: key }, {}).scores;
      return block.add(softmax, { x: scores }, { scale }).y;
    },
  };
}

/** The module itself: features (N, H, W, C) → the augmented representation z = g([x; y]). Paper, section 3.2. */
export function objectContext(
  builder: GraphBuilder,
  features: Value,
  config: ObjectContextConfig,
  given: GivenObjects,
): Contextual {
  const { pixelBias, innerBias, contextFirst } = formFacts[config.form];
  const { channels } = config;
  const after = normActivation(config);
  const pixels = config.pixelConvolution
    ? convNormActivation(builder.at('conv3x3_ocr'), [0, 1], features, {
        channels,
        kernel: 3,
        bias: pixelBias,
        ...after,
      })
    : features;
  const head = builder.at('ocr_distri_head');
  const { y, relation } = objectAttention(head.at('object_context_block'), pixels, config, given);
  const augmented = sideBySide(head, contextFirst ? [y, pixels] : [pixels, y]);
  const options = { channels, kernel: 1, bias: innerBias, ...after };
  return { y: convNormActivation(head.at('conv_bn_dropout'), [0, 1], augmented, options), relation };
}

import { z } from 'zod';
import { GraphBuilder } from '../../ir/builder.js';
import type { Graph, Value } from '../../ir/graph.js';
import {
  channelsOf,
  convNormActivation,
  type NormActivationOptions,
  pixelClassifier,
  relu,
} from '../../nn/layers.js';
import { noActivation } from '../../ops/epilogue.js';
import {
  aggregateRegions,
  attendRegions,
  concat,
  distributeRegions,
  labelRegions,
  spatialSoftmax,
} from '../../ops/index.js';
import type { BackboneFeatures } from '../backbones/features.js';
import type { Scores } from './scores.js';

/** The module as the paper describes it, and as the two published code bases build it. */
export const ocrForms = ['paper', 'openseg', 'hrnet-ocr'] as const;
export type OcrForm = (typeof ocrForms)[number];

const count = z.int().positive();

/** What the module has in common, wherever its regions come from. */
const moduleFields = {
  form: z.enum(ocrForms),
  /** Channels of the augmented representation, and of the pixels' where there is a pixel convolution. */
  channels: count,
  /** Channels of queries, keys and values. */
  keyChannels: count,
  /** Whether a 3×3 convolution brings the features to `channels` first. */
  pixelConvolution: z.boolean(),
  /** Hidden channels of the region head, in the forms where it is not linear; by default those of its input. */
  regionHeadChannels: count.optional(),
  /** Of the batch normalisation in the head. */
  epsilon: z.number().positive(),
  /** Slope of the head's activation below zero: 0 is ReLU; weights trained with in-place ABN need 0.01. */
  negativeSlope: z.number().min(0).max(1),
};

export const ocrSchema = z.strictObject({ kind: z.literal('ocr'), ...moduleFields });

/** Object-contextual representations, as plain data. */
export type OcrConfig = z.infer<typeof ocrSchema>;

export const groundTruthOcrSchema = z.strictObject({ kind: z.literal('ground-truth-ocr'), ...moduleFields });

/**
 * OCR whose regions and relation are the truth: its input "labels" says to which region each pixel belongs. The upper bound of
 * the paper's Figure 1; it cannot segment what is not labelled.
 */
export type GroundTruthOcrConfig = z.infer<typeof groundTruthOcrSchema>;

type ModuleConfig = Omit<OcrConfig, 'kind'>;

export function ocrConfig(
  form: OcrForm,
  options: { pixelConvolution?: boolean; regionHeadChannels?: number } = {},
): OcrConfig {
  const defaults = {
    channels: 512,
    keyChannels: 256,
    pixelConvolution: true,
    epsilon: 1e-5,
    negativeSlope: 0,
  };
  return { kind: 'ocr', form, ...defaults, ...options };
}

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
}

const formFacts: Readonly<Record<OcrForm, FormFacts>> = {
  paper: {
    regionHeadKernel: undefined,
    pixelBias: false,
    innerBias: false,
    transformLayers: 1,
    scaledRelation: false,
    contextFirst: false,
  },
  openseg: {
    regionHeadKernel: 3,
    pixelBias: true,
    innerBias: true,
    transformLayers: 2,
    scaledRelation: true,
    contextFirst: true,
  },
  'hrnet-ocr': {
    regionHeadKernel: 1,
    pixelBias: true,
    innerBias: false,
    transformLayers: 2,
    scaledRelation: true,
    contextFirst: true,
  },
};

/** Region scores from the intermediate features, object context, and the classifier of the augmented representation. */
export function ocrHead(
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: OcrConfig,
): Scores {
  const regionLogits = regionHead(builder.at('aux_head'), features.intermediate, classes, config);
  const regions = softRegions(builder, regionLogits);
  const representation = objectContext(builder, features.final, config, { regions });
  const logits = pixelClassifier(builder.at('cls_head'), representation, classes);
  return { logits, objects: { regionLogits, regions } };
}

/** The same with the regions of `labels` (N, H, W) instead of predicted ones; there is no region head to supervise. */
export function groundTruthOcrHead(
  builder: GraphBuilder,
  features: BackboneFeatures,
  labels: Value,
  classes: number,
  config: GroundTruthOcrConfig,
): Scores {
  const [, height = 0, width = 0] = features.final.type.shape;
  const regionsOf = (normalised: boolean) =>
    builder.at('labels').add(labelRegions, { labels }, { height, width, classes, normalised }).regions;
  const representation = objectContext(builder, features.final, config, {
    regions: regionsOf(true),
    relation: regionsOf(false),
  });
  return { logits: pixelClassifier(builder.at('cls_head'), representation, classes) };
}

function regionHead(builder: GraphBuilder, x: Value, classes: number, config: ModuleConfig): Value {
  const kernel = formFacts[config.form].regionHeadKernel;
  if (kernel === undefined) return pixelClassifier(builder, x, classes);
  const channels = config.regionHeadChannels ?? channelsOf(x);
  const hidden = convNormActivation(builder, [0, 1], x, {
    channels,
    kernel,
    bias: true,
    ...normActivation(config),
  });
  return pixelClassifier(builder.at(3), hidden, classes);
}

/** Soft object regions (N, H, W, K) from coarse class scores. */
export const softRegions = (builder: GraphBuilder, regionLogits: Value): Value =>
  builder
    .at('ocr_distri_head.object_context_block')
    .add(spatialSoftmax, { logits: regionLogits }, { scale: 1 }).regions;

/**
 * The module itself. features (N, H, W, C) and object regions (N, H, W, K) → the augmented representation z (N, H, W,
 * channels). Without a given relation (N, H, W, K) of pixels to regions it is computed from both. Paper, section 3.2.
 */
export function objectContext(
  builder: GraphBuilder,
  features: Value,
  config: ModuleConfig,
  { regions, relation }: { readonly regions: Value; readonly relation?: Value },
): Value {
  const {
    pixelBias,
    innerBias: bias,
    transformLayers,
    scaledRelation,
    contextFirst,
  } = formFacts[config.form];
  const { channels, keyChannels } = config;
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
  const block = head.at('object_context_block');
  const transform = (name: string, x: Value, width: number, layers: number): Value => {
    let y = x;
    for (let layer = 0; layer < layers; layer++)
      y = convNormActivation(block.at(name), [2 * layer, 2 * layer + 1], y, {
        channels: width,
        kernel: 1,
        bias,
        ...after,
      });
    return y;
  };

  const objects = block.add(aggregateRegions, { regions, features: pixels }, {}).y;
  const attend = () => {
    const query = transform('f_pixel', pixels, keyChannels, transformLayers);
    const key = transform('f_object', objects, keyChannels, transformLayers);
    const value = transform('f_down', objects, keyChannels, 1);
    const scale = scaledRelation ? keyChannels ** -0.5 : 1;
    return block.add(attendRegions, { query, key, value }, { scale, ...noActivation }).y;
  };
  const attended = relation
    ? block.add(
        distributeRegions,
        { regions: relation, vectors: transform('f_down', objects, keyChannels, 1) },
        {},
      ).y
    : attend();
  const context = transform('f_up', attended, channels, 1);

  const joint = contextFirst ? { a: context, b: pixels } : { a: pixels, b: context };
  const augmented = head.add(concat, joint, {}).y;
  return convNormActivation(head.at('conv_bn_dropout'), [0, 1], augmented, {
    channels,
    kernel: 1,
    bias,
    ...after,
  });
}

/**
 * The module alone, as the paper's table 4 measures it: inputs "features" (N, H, W, channels) and "regionLogits" (N, H, W,
 * classes), output "representation".
 */
export function buildOcrModule(
  size: { batch: number; height: number; width: number; channels: number; classes: number },
  config: OcrConfig,
): Graph {
  const builder = new GraphBuilder();
  const { batch, height, width, channels, classes } = size;
  const input = (name: string, depth: number) =>
    builder.input(name, { dataType: 'float32', shape: [batch, height, width, depth] });
  const features = input('features', channels);
  const regionLogits = input('regionLogits', classes);
  const regions = softRegions(builder, regionLogits);
  builder.output('representation', objectContext(builder, features, config, { regions }));
  return builder.build();
}

function normActivation({ epsilon, negativeSlope }: ModuleConfig): NormActivationOptions {
  return { epsilon, activation: negativeSlope === 0 ? relu : { activation: 'leakyRelu', negativeSlope } };
}

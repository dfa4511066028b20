import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import {
  convNormActivation,
  dropout,
  type NormActivationOptions,
  pixelClassifier,
  relu,
} from '../../nn/layers.js';
import { concat } from '../../ops/index.js';
import type { BackboneFeatures } from '../backbones/features.js';
import type { Scores } from './scores.js';

/** What the heads of all contexts are made of. */

export const count = z.int().positive();

/** Of the batch normalisation in a head. */
export const normFields = {
  epsilon: z.number().positive(),
  /** Slope of the head's activation below zero: 0 is ReLU; weights trained with in-place ABN need 0.01. */
  negativeSlope: z.number().min(0).max(1),
};

/** How often training drops what a classifier is about to read, from 0, never, to below 1. */
export const dropoutRate = z.number().min(0).lt(1);

/** Dropout of whole channels in a head. Only training has it. */
export const dropoutFields = {
  /** Of the representation, before the last classifier. */
  dropout: dropoutRate.default(0),
  /** Of the hidden channels in the head on the intermediate features, where that has some. */
  auxiliaryDropout: dropoutRate.default(0),
};

/** Fields of the contexts whose auxiliary loss has a head of its own. */
export const auxiliaryFields = {
  ...normFields,
  ...dropoutFields,
  /** Hidden channels of the auxiliary head on the intermediate features; 0: there is none. */
  auxiliaryChannels: z.int().min(0),
};

export interface NormConfig {
  readonly epsilon: number;
  readonly negativeSlope: number;
}

export interface DropoutConfig {
  readonly dropout: number;
  readonly auxiliaryDropout: number;
}

export interface AuxiliaryConfig extends NormConfig, DropoutConfig {
  readonly auxiliaryChannels: number;
}

/** How a network resizes inside. */
export interface Resizing {
  readonly alignCorners: boolean;
}

export const normActivation = ({ epsilon, negativeSlope }: NormConfig): NormActivationOptions => ({
  epsilon,
  activation: negativeSlope === 0 ? relu : { activation: 'leakyRelu', negativeSlope },
});

/** The 3×3 convolution that most modules start with: x (N, H, W, C) → (N, H, W, channels). */
export const trunk = (builder: GraphBuilder, x: Value, config: NormConfig & { channels: number }): Value =>
  convNormActivation(builder.at('conv_3x3'), [0, 1], x, {
    channels: config.channels,
    kernel: 3,
    bias: true,
    ...normActivation(config),
  });

/** Class scores from hidden channels: 3×3 convolution → BN → ReLU → dropout → 1×1 convolution, as openseg's dsn_head. */
export function hiddenClassifier(
  builder: GraphBuilder,
  x: Value,
  classes: number,
  config: NormConfig & Pick<DropoutConfig, 'auxiliaryDropout'> & { channels: number },
): Value {
  const { channels, auxiliaryDropout } = config;
  const options = { channels, kernel: 3, bias: true, ...normActivation(config) };
  const hidden = convNormActivation(builder, [0, 1], x, options);
  return pixelClassifier(builder.at(3), dropout(builder.at(2), hidden, auxiliaryDropout), classes);
}

/** The last classifier, cls_head: class scores (N, H, W, K) of a module's representation, of which training drops channels. */
export const representationClassifier = (
  builder: GraphBuilder,
  representation: Value,
  classes: number,
  { dropout: rate }: Pick<DropoutConfig, 'dropout'>,
): Value =>
  pixelClassifier(builder.at('cls_head'), dropout(builder.at('dropout'), representation, rate), classes);

/** Coarse class scores of the intermediate features, which a loss of their own trains and nothing else reads. */
export const auxiliaryHead = (
  builder: GraphBuilder,
  { intermediate }: BackboneFeatures,
  classes: number,
  config: AuxiliaryConfig,
): Value =>
  hiddenClassifier(builder.at('dsn_head'), intermediate, classes, {
    ...config,
    channels: config.auxiliaryChannels,
  });

/** The classifier behind a module's representation, and the auxiliary head beside it. */
export const classified = (
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: AuxiliaryConfig,
  representation: Value,
): Scores => ({
  logits: representationClassifier(builder, representation, classes, config),
  auxiliaryLogits:
    config.auxiliaryChannels > 0 ? auxiliaryHead(builder, features, classes, config) : undefined,
});

/** The channels of two to six values, in this order. */
export function sideBySide(builder: GraphBuilder, parts: readonly Value[]): Value {
  const [a, b, c, d, e, f] = parts as [Value, Value, ...Value[]];
  return builder.add(concat, { a, b, c, d, e, f }, {}).y;
}

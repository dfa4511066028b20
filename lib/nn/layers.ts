import type { Attributes } from '../ir/attributes.js';
import type { GraphBuilder } from '../ir/builder.js';
import type { Value } from '../ir/graph.js';
import { constant, fanInUniform, heNormal, type Initializer } from '../ir/initializer.js';
import { type Dropped, noiseType } from '../ops/dropout.js';
import { type epilogueAttributes, noActivation } from '../ops/epilogue.js';
import { activate, batchNorm, conv2d, dropout as dropoutOp } from '../ops/index.js';

/** An activation and, for leakyRelu, its slope. */
export type ActivationOptions = Attributes<typeof epilogueAttributes>;

export const relu: ActivationOptions = { activation: 'relu', negativeSlope: 0 };
export const relu6: ActivationOptions = { activation: 'relu6', negativeSlope: 0 };

export interface ConvolutionOptions {
  /** Output channels. */
  readonly channels: number;
  /** Odd; the padding is what keeps the size at stride 1. */
  readonly kernel: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  readonly initializer?: Initializer;
}

export interface NormActivationOptions {
  readonly epsilon?: number;
  readonly activation?: ActivationOptions;
}

/** Convolution of x (N, H, W, C) with the parameters `weight` and, on request, `bias` of the builder's scope. */
export function convolution(builder: GraphBuilder, x: Value, options: ConvolutionOptions): Value {
  const { channels, kernel, stride = 1, dilation = 1, groups = 1, bias = false } = options;
  const inputs = channelsOf(x) / groups;
  const initializer = options.initializer ?? heNormal(kernel * kernel * channels);
  const filter = builder.parameter('weight', [channels, kernel, kernel, inputs], {
    kind: 'stored',
    fileLayout: 'filter',
    initializer,
    trainable: true,
  });
  const offset = bias
    ? vector(builder, 'bias', channels, fanInUniform(inputs * kernel * kernel), true)
    : undefined;
  const padding = (dilation * (kernel - 1)) / 2;
  return builder.add(
    conv2d,
    { x, filter, bias: offset },
    { stride, padding, dilation, groups, ...noActivation, outputType: 'same' },
  ).y;
}

/** Batch normalisation with the parameters of PyTorch's BatchNorm2d. */
export function batchNormalization(builder: GraphBuilder, x: Value, epsilon = 1e-5): Value {
  const channels = channelsOf(x);
  return builder.add(
    batchNorm,
    {
      x,
      weight: vector(builder, 'weight', channels, constant(1), true),
      bias: vector(builder, 'bias', channels, constant(0), true),
      runningMean: vector(builder, 'running_mean', channels, constant(0), false),
      runningVariance: vector(builder, 'running_var', channels, constant(1), false),
    },
    { epsilon },
  ).y;
}

/**
 * Convolution → batch normalisation → activation (none unless given). `conv` and `norm` are the two scopes, which PyTorch
 * models name `conv1` and `bn1`, or 0 and 1 in a Sequential.
 */
export function convNormActivation(
  builder: GraphBuilder,
  [conv, norm]: readonly [string | number, string | number],
  x: Value,
  options: ConvolutionOptions & NormActivationOptions,
): Value {
  const convolved = convolution(builder.at(conv), x, options);
  const normalised = batchNormalization(builder.at(norm), convolved, options.epsilon);
  const { activation = noActivation } = options;
  if (activation.activation === 'none') return normalised;
  return builder.at(norm).add(activate, { x: normalised }, activation).y;
}

/**
 * Dropout of whole channels, or of single elements, at a rate from 0 to below 1; x itself at rate 0 and where the network is not
 * built to be trained. A network that has some has the input "noise": see lib/ops/dropout.ts.
 */
export function dropout(builder: GraphBuilder, x: Value, rate: number, drops: Dropped = 'channels'): Value {
  if (!builder.isTraining || rate === 0) return x;
  const noise = builder.input('noise', noiseType);
  return builder.add(dropoutOp, { x, noise }, { rate, drops, stream: builder.countOf(dropoutOp) }).y;
}

/** A linear classifier of pixels: 1×1 convolution with bias, started as PyTorch starts it. (N, H, W, C) → (N, H, W, K). */
export function pixelClassifier(builder: GraphBuilder, x: Value, classes: number): Value {
  const initializer = fanInUniform(channelsOf(x));
  return convolution(builder, x, { channels: classes, kernel: 1, bias: true, initializer });
}

/** C of (N, H, W, C). */
export const channelsOf = (x: Value): number => x.type.shape[3] as number;

function vector(
  builder: GraphBuilder,
  name: string,
  channels: number,
  initializer: Initializer,
  trainable: boolean,
): Value {
  return builder.parameter(name, [channels], { kind: 'stored', fileLayout: 'plain', initializer, trainable });
}

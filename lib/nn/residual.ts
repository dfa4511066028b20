import type { GraphBuilder } from '../ir/builder.js';
import type { Value } from '../ir/graph.js';
import { noActivation } from '../ops/epilogue.js';
import { activate, add } from '../ops/index.js';
import { channelsOf, convNormActivation, relu } from './layers.js';

export interface ResidualBlockOptions {
  /** Channels inside the block; a bottleneck puts out four times as many. */
  readonly channels: number;
  readonly stride?: number;
  /** Dilation of the convolution that carries the stride. */
  readonly dilation?: number;
  /** Dilation of the basic block's second convolution; by default the same. */
  readonly secondDilation?: number;
}

/** Two 3×3 convolutions beside a shortcut. He et al. 2016, figure 5 left. Names: conv1, bn1, conv2, bn2, downsample. */
export function basicBlock(builder: GraphBuilder, x: Value, options: ResidualBlockOptions): Value {
  const { channels, stride = 1, dilation = 1, secondDilation = dilation } = options;
  const first = convNormActivation(builder, ['conv1', 'bn1'], x, {
    channels,
    kernel: 3,
    stride,
    dilation,
    activation: relu,
  });
  const branch = convNormActivation(builder, ['conv2', 'bn2'], first, {
    channels,
    kernel: 3,
    dilation: secondDilation,
  });
  return joinShortcut(builder, x, branch, stride);
}

/**
 * 1×1, 3×3, 1×1 beside a shortcut. He et al. 2016, figure 5 right, with the stride on the 3×3 as torchvision has it. Names:
 * conv1-3, bn1-3, downsample.
 */
export function bottleneck(builder: GraphBuilder, x: Value, options: ResidualBlockOptions): Value {
  const { channels, stride = 1, dilation = 1 } = options;
  const narrow = convNormActivation(builder, ['conv1', 'bn1'], x, { channels, kernel: 1, activation: relu });
  const spatial = convNormActivation(builder, ['conv2', 'bn2'], narrow, {
    channels,
    kernel: 3,
    stride,
    dilation,
    activation: relu,
  });
  const branch = convNormActivation(builder, ['conv3', 'bn3'], spatial, {
    channels: 4 * channels,
    kernel: 1,
  });
  return joinShortcut(builder, x, branch, stride);
}

/** The residual blocks by the names that configurations use. */
export const residualBlocks = { basic: basicBlock, bottleneck } as const;
export type ResidualBlockName = keyof typeof residualBlocks;

/** relu(branch + shortcut); the shortcut is projected where the branch changed the size or the channels. */
function joinShortcut(builder: GraphBuilder, x: Value, branch: Value, stride: number): Value {
  const channels = channelsOf(branch);
  const shortcut =
    stride === 1 && channelsOf(x) === channels
      ? x
      : convNormActivation(builder.at('downsample'), [0, 1], x, { channels, kernel: 1, stride });
  const sum = builder.add(add, { a: branch, b: shortcut }, noActivation).y;
  return builder.add(activate, { x: sum }, relu).y;
}

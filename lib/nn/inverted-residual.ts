import type { GraphBuilder } from '../ir/builder.js';
import type { Value } from '../ir/graph.js';
import { noActivation } from '../ops/epilogue.js';
import { add } from '../ops/index.js';
import { channelsOf, convNormActivation, relu6 } from './layers.js';

export interface InvertedResidualOptions {
  /** Output channels. */
  readonly channels: number;
  /** Hidden channels are this many times the input's. */
  readonly expansion: number;
  readonly stride: number;
  readonly dilation: number;
  /** Whether x is added to the result. */
  readonly shortcut: boolean;
}

/**
 * Expand (1×1), filter each channel (3×3 depthwise), project (1×1, no activation). Sandler et al. 2018, figure 3. Names as
 * torchvision's: conv.0.{0,1}, conv.1.{0,1}, conv.2, conv.3; without expansion the first pair is left out.
 */
export function invertedResidual(builder: GraphBuilder, x: Value, options: InvertedResidualOptions): Value {
  const { channels, expansion, stride, dilation, shortcut } = options;
  const conv = builder.at('conv');
  const hidden = channelsOf(x) * expansion;
  let index = 0;
  let y = x;
  if (expansion !== 1)
    y = convNormActivation(conv.at(index++), [0, 1], y, { channels: hidden, kernel: 1, activation: relu6 });
  y = convNormActivation(conv.at(index++), [0, 1], y, {
    channels: hidden,
    kernel: 3,
    stride,
    dilation,
    groups: hidden,
    activation: relu6,
  });
  y = convNormActivation(conv, [index, index + 1], y, { channels, kernel: 1 });
  return shortcut ? builder.add(add, { a: y, b: x }, noActivation).y : y;
}

import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { constant, fanInUniform } from '../../ir/initializer.js';
import { channelsOf, convolution } from '../../nn/layers.js';
import { noActivation } from '../../ops/epilogue.js';
import { add, scaleBy } from '../../ops/index.js';

/** What the attentions have in common whose result is a learned part of what is added: x + gamma · attention(x). */

/** A linear map of pixels: 1×1 convolution with bias and nothing behind it, started as PyTorch starts it. */
export const linear = (builder: GraphBuilder, x: Value, channels: number): Value =>
  convolution(builder, x, { channels, kernel: 1, bias: true, initializer: fanInUniform(channelsOf(x)) });

/**
 * gamma · x with the learned scalar of the builder's scope, which starts at zero, so that a module starts as if it were not there.
 * What attention gives is linear in what is attended to: scaling the values is scaling the result.
 */
export function scaledByGamma(builder: GraphBuilder, x: Value): Value {
  const factor = builder.parameter('gamma', [1], {
    kind: 'stored',
    fileLayout: 'plain',
    initializer: constant(0),
    trainable: true,
  });
  return builder.add(scaleBy, { x, factor }, {}).y;
}

/** Query, key and scaled value of DANet's position attention and of CCNet's, by their names. */
export const projections = (builder: GraphBuilder, x: Value, keyChannels: number) => ({
  query: linear(builder.at('query_conv'), x, keyChannels),
  key: linear(builder.at('key_conv'), x, keyChannels),
  value: scaledByGamma(builder, linear(builder.at('value_conv'), x, channelsOf(x))),
});

export const plus = (builder: GraphBuilder, a: Value, b: Value): Value =>
  builder.add(add, { a, b }, noActivation).y;

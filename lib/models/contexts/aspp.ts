import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation, type NormActivationOptions } from '../../nn/layers.js';
import { noActivation } from '../../ops/epilogue.js';
import { adaptiveAveragePool2d, resizeBilinear } from '../../ops/index.js';
import { auxiliaryFields, count, normActivation, type Resizing, sideBySide } from './parts.js';

/** Of the three 3×3 convolutions, for features at an eighth of the picture's size. */
export const dilationsField = z.tuple([count, count, count]);

export const asppSchema = z.strictObject({
  kind: z.literal('aspp'),
  /** Of each branch, and of the result. */
  channels: count,
  dilations: dilationsField,
  ...auxiliaryFields,
});

/** Atrous spatial pyramid pooling, as plain data. */
export type AsppConfig = z.infer<typeof asppSchema>;

/**
 * Atrous spatial pyramid pooling. Chen et al. 2017 (DeepLabv3), section 3.3. x (N, H, W, C) → (N, H, W, channels): a 1×1
 * convolution, three dilated 3×3 ones and the picture's mean, side by side, then a 1×1 convolution; each with BN and ReLU.
 *
 * Names and order, the mean first, are those of openseg's ASPPModule; DeepLabv3 has the mean last.
 */
export function aspp(builder: GraphBuilder, x: Value, config: AsppConfig, { alignCorners }: Resizing): Value {
  const { channels, dilations } = config;
  const [, height = 0, width = 0] = x.type.shape;
  const after = normActivation(config);
  const global = builder.at('conv_gp');
  const mean = global.at(0).add(adaptiveAveragePool2d, { x }, { height: 1, width: 1 }).y;
  const pooled = convNormActivation(global, [1, 2], mean, { channels, kernel: 1, ...after });
  const spread = global.add(
    resizeBilinear,
    { x: pooled },
    { height, width, alignCorners, ...noActivation },
  ).y;
  const options = { channels, dilations, bias: false, ...after };
  const branches = dilatedBranches(
    builder,
    ['conv_1x1', 'conv_3x3_1', 'conv_3x3_2', 'conv_3x3_3'],
    x,
    options,
  );
  const joint = sideBySide(builder, [spread, ...branches]);
  return convNormActivation(builder.at('fuse'), [0, 1], joint, { channels, kernel: 1, ...after });
}

/** A 1×1 convolution of x and one of 3×3 for each dilation, under the given scopes. */
export function dilatedBranches(
  builder: GraphBuilder,
  scopes: readonly [string, string, string, string],
  x: Value,
  options: NormActivationOptions & { channels: number; dilations: AsppConfig['dilations']; bias: boolean },
): Value[] {
  const { dilations, ...common } = options;
  return [0, ...dilations].map((dilation, i) => {
    const shape = dilation === 0 ? { kernel: 1 } : { kernel: 3, dilation };
    return convNormActivation(builder.at(scopes[i] as string), [0, 1], x, { ...common, ...shape });
  });
}

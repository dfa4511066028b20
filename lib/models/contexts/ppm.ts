import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation } from '../../nn/layers.js';
import { noActivation } from '../../ops/epilogue.js';
import { adaptiveAveragePool2d, resizeBilinear } from '../../ops/index.js';
import { auxiliaryFields, count, normActivation, type Resizing, sideBySide } from './parts.js';

export const ppmSchema = z.strictObject({
  kind: z.literal('ppm'),
  /** Of the result. */
  channels: count,
  /** Of each pooled branch. */
  branchChannels: count,
  /** Cells along each side of the pooled grids, up to five. */
  pools: z.array(count).min(1).max(5),
  ...auxiliaryFields,
});

/** Pyramid pooling module, as plain data. */
export type PpmConfig = z.infer<typeof ppmSchema>;

/**
 * Pyramid pooling. Zhao et al. 2017 (PSPNet), section 3.2. x (N, H, W, C) → (N, H, W, channels): the means over grids of 1, 2, 3
 * and 6 cells a side → 1×1 convolution → BN → ReLU → resized to H × W; then a 3×3 convolution of all and x.
 *
 * Names are openseg's PSPModule's. openseg puts one more 3×3 convolution in front with HRNet; PSPNet itself resizes without
 * aligned corners in its first version and concatenates x first.
 */
export function ppm(builder: GraphBuilder, x: Value, config: PpmConfig, { alignCorners }: Resizing): Value {
  const { channels, branchChannels, pools } = config;
  const [, height = 0, width = 0] = x.type.shape;
  const after = normActivation(config);
  const branches = pools.map((size, i) => {
    const stage = builder.at('stages').at(i);
    const pooled = stage.at(0).add(adaptiveAveragePool2d, { x }, { height: size, width: size }).y;
    const narrow = convNormActivation(stage, [1, 2], pooled, {
      channels: branchChannels,
      kernel: 1,
      ...after,
    });
    return stage.add(resizeBilinear, { x: narrow }, { height, width, alignCorners, ...noActivation }).y;
  });
  const joint = sideBySide(builder, [...branches, x]);
  return convNormActivation(builder.at('bottleneck'), [0, 1], joint, { channels, kernel: 3, ...after });
}

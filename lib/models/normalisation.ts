import { z } from 'zod';
import type { GraphBuilder } from '../ir/builder.js';
import type { ParameterSource, Value } from '../ir/graph.js';
import { normalizeImage } from '../ops/index.js';

const three = z.tuple([z.number(), z.number(), z.number()]);

export const normalisationSchema = z.strictObject({
  channelOrder: z.enum(['rgb', 'bgr']),
  /** What a byte of 255 becomes before the mean is subtracted. */
  range: z.literal([1, 255]),
  /** In the order of the channels as the network sees them. */
  mean: three,
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
});

/** How pictures become activations: (byte · range / 255 − mean) / std. */
export type Normalisation = z.infer<typeof normalisationSchema>;

/** ImageNet's statistics, as torchvision and HRNet use them. */
export const imageNetNormalisation: Normalisation = {
  channelOrder: 'rgb',
  range: 1,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** RGB bytes (N, H, W, 3) → normalised activations. Scale and shift are configuration, so no checkpoint holds them. */
export function normalise(builder: GraphBuilder, image: Value, config: Normalisation): Value {
  const { mean, std, range, channelOrder } = config;
  const scope = builder.at('normalisation');
  const constants = (values: readonly number[]): ParameterSource => ({
    kind: 'derived',
    from: [],
    compute: () => Float32Array.from(values),
  });
  const scale = std.map((deviation) => range / 255 / deviation);
  const shift = std.map((deviation, channel) => -(mean[channel] as number) / deviation);
  return scope.add(
    normalizeImage,
    {
      image,
      scale: scope.parameter('scale', [3], constants(scale)),
      shift: scope.parameter('shift', [3], constants(shift)),
    },
    { reverseChannels: channelOrder === 'bgr', outputType: 'float32' },
  ).y;
}

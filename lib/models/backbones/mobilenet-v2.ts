import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { invertedResidual } from '../../nn/inverted-residual.js';
import { channelsOf, convNormActivation, relu6 } from '../../nn/layers.js';
import { type OutputStride, outputStrides, planStages } from './dilation.js';
import type { BackboneEnd, BackboneFeatures } from './features.js';

export const mobileNetV2Schema = z.strictObject({
  kind: z.literal('mobilenet-v2'),
  /** Scales the channels of every layer. */
  widthMultiplier: z.number().positive().max(10),
  outputStride: z.literal(outputStrides),
});

/** MobileNetV2, as plain data. Sandler et al. 2018. */
export type MobileNetV2Config = z.infer<typeof mobileNetV2Schema>;

export function mobileNetV2Config({
  widthMultiplier = 1,
  outputStride = 8,
}: {
  widthMultiplier?: number;
  outputStride?: OutputStride;
} = {}): MobileNetV2Config {
  return { kind: 'mobilenet-v2', widthMultiplier, outputStride };
}

/** Sandler et al. 2018, table 2: expansion, output channels, repeats, stride of the first. */
const groups = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** The groups after which the resolution changes in the undilated network: strides 4, 8 and 16. */
const stageEnds = [1, 2, 4];

/** x (N, H, W, 3) → stages of strides 4, 8, 16 and 32 (as dilated). Names are torchvision's: features.0 to features.18. */
export function mobileNetV2(
  builder: GraphBuilder,
  x: Value,
  config: MobileNetV2Config,
  end: BackboneEnd = 'final',
): BackboneFeatures {
  const { widthMultiplier, outputStride } = config;
  const features = builder.at('features');
  let y = convNormActivation(features.at(0), [0, 1], x, {
    channels: scaleChannels(32, widthMultiplier),
    kernel: 3,
    stride: 2,
    activation: relu6,
  });
  const plans = planStages(
    2,
    groups.map(([, , , stride]) => stride),
    outputStride,
  );
  let index = 1;
  const wanted = end === 'final' ? groups : groups.slice(0, (stageEnds[2] as number) + 1);
  const ends = wanted.map(([expansion, baseChannels, repeats, nominalStride], group) => {
    const { stride, firstDilation, dilation } = plans[group] as (typeof plans)[number];
    const channels = scaleChannels(baseChannels, widthMultiplier);
    for (let i = 0; i < repeats; i++) {
      y = invertedResidual(features.at(index++), y, {
        channels,
        expansion,
        stride: i === 0 ? stride : 1,
        dilation: i === 0 ? firstDilation : dilation,
        // A stride that became a dilation still means no shortcut, so that weights fit every output stride.
        shortcut: (i > 0 || nominalStride === 1) && channelsOf(y) === channels,
      });
    }
    return y;
  });
  const stages = stageEnds.map((group) => ends[group] as Value);
  const intermediate = stages[2] as Value;
  if (end === 'intermediate') return { stages, intermediate, final: intermediate };
  const final = convNormActivation(features.at(index), [0, 1], y, {
    channels: scaleChannels(1280, Math.max(1, widthMultiplier)),
    kernel: 1,
    activation: relu6,
  });
  return { stages: [...stages, final], intermediate, final };
}

/** The multiple of 8 nearest to the scaled width, never more than a tenth below it. */
function scaleChannels(channels: number, widthMultiplier: number): number {
  const scaled = channels * widthMultiplier;
  const rounded = Math.max(8, Math.floor((scaled + 4) / 8) * 8);
  return rounded < 0.9 * scaled ? rounded + 8 : rounded;
}

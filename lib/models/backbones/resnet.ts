import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { convNormActivation, relu } from '../../nn/layers.js';
import { type ResidualBlockName, residualBlocks } from '../../nn/residual.js';
import { maxPool2d } from '../../ops/index.js';
import { type OutputStride, outputStrides, planStages } from './dilation.js';
import type { BackboneEnd, BackboneFeatures } from './features.js';

const count = z.int().positive();

export const resNetSchema = z
  .strictObject({
    kind: z.literal('resnet'),
    block: z.enum(['basic', 'bottleneck']),
    /** Blocks of the four stages. */
    blocks: z.tuple([count, count, count, count]),
    /** One 7×7 convolution, or three 3×3 ones as in the OCR authors' networks. */
    stem: z.enum(['7x7', 'deep']),
    /** Rounds the max pool's output size up: 512 → 256 → 129. */
    ceilMode: z.boolean(),
    outputStride: z.literal(outputStrides),
    /** A factor on the dilation of each block of the last stage (DeepLab's multi-grid). */
    multiGrid: z.array(count).optional(),
  })
  .refine(({ multiGrid, blocks }) => multiGrid === undefined || multiGrid.length === blocks[3], {
    path: ['multiGrid'],
    error: 'expected one factor for each block of the last stage',
  });

/** ResNet, as plain data. He et al. 2016; dilated as in Yu et al. 2017. */
export type ResNetConfig = z.infer<typeof resNetSchema>;

const depths = {
  resnet18: { block: 'basic', blocks: [2, 2, 2, 2] },
  resnet34: { block: 'basic', blocks: [3, 4, 6, 3] },
  resnet50: { block: 'bottleneck', blocks: [3, 4, 6, 3] },
  resnet101: { block: 'bottleneck', blocks: [3, 4, 23, 3] },
  resnet152: { block: 'bottleneck', blocks: [3, 8, 36, 3] },
} as const satisfies Record<string, { block: ResidualBlockName; blocks: readonly number[] }>;

export type ResNetName = keyof typeof depths;
export const resNetNames = Object.keys(depths) as ResNetName[];

/** The published network with torchvision's stem, or with the deep stem and the ceil-mode pool of the OCR authors. */
export function resNetConfig(
  name: ResNetName,
  { outputStride = 8, stem = '7x7' }: { outputStride?: OutputStride; stem?: ResNetConfig['stem'] } = {},
): ResNetConfig {
  const { block, blocks } = depths[name];
  return { kind: 'resnet', block, blocks: [...blocks], stem, ceilMode: stem === 'deep', outputStride };
}

/** x (N, H, W, 3) → four stages, or the first three of them. Names are torchvision's; a deep stem is under `resinit`, as in openseg. */
export function resNet(
  builder: GraphBuilder,
  x: Value,
  config: ResNetConfig,
  end: BackboneEnd = 'final',
): BackboneFeatures {
  const stemmed = stems[config.stem](builder, x);
  const pool = { kernel: 3, stride: 2, padding: 1, ceilMode: config.ceilMode };
  let y = builder.at('maxpool').add(maxPool2d, { x: stemmed }, pool).y;
  const block = residualBlocks[config.block];
  const plans = planStages(4, [1, 2, 2, 2], config.outputStride).slice(0, end === 'final' ? 4 : 3);
  const stages = plans.map(({ stride, firstDilation, dilation }, stage) => {
    const grid = stage === 3 ? (config.multiGrid ?? []) : [];
    const scope = builder.at(`layer${stage + 1}`);
    for (let i = 0; i < (config.blocks[stage] as number); i++) {
      const factor = grid[i] ?? 1;
      y = block(scope.at(i), y, {
        channels: 64 * 2 ** stage,
        stride: i === 0 ? stride : 1,
        dilation: (i === 0 ? firstDilation : dilation) * factor,
        secondDilation: dilation * factor,
      });
    }
    return y;
  });
  return { stages, intermediate: stages[2] as Value, final: stages.at(-1) as Value };
}

const stems: Record<ResNetConfig['stem'], (builder: GraphBuilder, x: Value) => Value> = {
  '7x7': (builder, x) =>
    convNormActivation(builder, ['conv1', 'bn1'], x, {
      channels: 64,
      kernel: 7,
      stride: 2,
      activation: relu,
    }),
  deep: (builder, x) => {
    const scope = builder.at('resinit');
    const layer = (input: Value, index: number, channels: number, stride: number) =>
      convNormActivation(scope, [`conv${index}`, `bn${index}`], input, {
        channels,
        kernel: 3,
        stride,
        activation: relu,
      });
    return layer(layer(layer(x, 1, 64, 2), 2, 64, 1), 3, 128, 1);
  },
};

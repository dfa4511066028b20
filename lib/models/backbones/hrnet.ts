import { z } from 'zod';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/graph.js';
import { channelsOf, convNormActivation, relu } from '../../nn/layers.js';
import { basicBlock, bottleneck } from '../../nn/residual.js';
import { noActivation } from '../../ops/epilogue.js';
import { activate, add, concat, resizeBilinear } from '../../ops/index.js';
import type { BackboneFeatures } from './features.js';

const count = z.int().positive();
const stageSchema = z.strictObject({
  /** Exchanges between the resolutions. */
  modules: count,
  /** Residual blocks in each branch of a module. */
  blocks: count,
  /** Channels of each branch, fine to coarse. */
  channels: z.array(count).min(2).max(4),
});

export const hrNetSchema = z
  .strictObject({
    kind: z.literal('hrnet'),
    /** The first stage: bottlenecks at one resolution. */
    stage1: z.strictObject({ blocks: count, channels: count }),
    stage2: stageSchema,
    stage3: stageSchema,
    stage4: stageSchema,
  })
  .refine(
    (config) => [config.stage2, config.stage3, config.stage4].every((s, i) => s.channels.length === i + 2),
    { error: 'expected two, three and four branches in stage2, stage3 and stage4' },
  );

/** HRNet, as plain data. Wang et al. 2020, "Deep high-resolution representation learning for visual recognition". */
export type HrNetConfig = z.infer<typeof hrNetSchema>;

const wide = (width: number): HrNetConfig => ({
  kind: 'hrnet',
  stage1: { blocks: 4, channels: 64 },
  stage2: { modules: 1, blocks: 4, channels: [width, 2 * width] },
  stage3: { modules: 4, blocks: 4, channels: [width, 2 * width, 4 * width] },
  stage4: { modules: 3, blocks: 4, channels: [width, 2 * width, 4 * width, 8 * width] },
});

/** The published networks; `w18-small` is the first version of the small one, whose branches are 16 channels wide. */
export const hrNetConfigs = {
  'hrnet-w18-small': {
    kind: 'hrnet',
    stage1: { blocks: 1, channels: 32 },
    stage2: { modules: 1, blocks: 2, channels: [16, 32] },
    stage3: { modules: 1, blocks: 2, channels: [16, 32, 64] },
    stage4: { modules: 1, blocks: 2, channels: [16, 32, 64, 128] },
  },
  'hrnet-w18': wide(18),
  'hrnet-w32': wide(32),
  'hrnet-w48': wide(48),
} as const satisfies Record<string, HrNetConfig>;

/**
 * x (N, H, W, 3) → the four branches at strides 4 to 32, and their concatenation at stride 4 (HRNetV2). Names are HRNet's:
 * conv1, bn1, conv2, bn2, layer1, transition1-3, stage2-4.
 */
export function hrNet(
  builder: GraphBuilder,
  x: Value,
  config: HrNetConfig,
  { alignCorners }: { alignCorners: boolean },
): BackboneFeatures {
  const stem = { channels: 64, kernel: 3, stride: 2, activation: relu };
  let y = convNormActivation(builder, ['conv1', 'bn1'], x, stem);
  y = convNormActivation(builder, ['conv2', 'bn2'], y, stem);
  for (let i = 0; i < config.stage1.blocks; i++)
    y = bottleneck(builder.at('layer1').at(i), y, { channels: config.stage1.channels });

  let branches: readonly Value[] = [y];
  for (const [index, stage] of [config.stage2, config.stage3, config.stage4].entries()) {
    branches = transition(builder.at(`transition${index + 1}`), branches, stage.channels);
    const scope = builder.at(`stage${index + 2}`);
    for (let module = 0; module < stage.modules; module++)
      branches = exchange(scope.at(module), branches, stage.blocks, alignCorners);
  }

  const finest = branches[0] as Value;
  const [a, b, c, d] = branches.map((branch) => resizeTo(builder, branch, finest, alignCorners)) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const final = builder.add(concat, { a, b, c, d }, {}).y;
  return { stages: branches, intermediate: final, final };
}

/** Brings the branches to a stage's widths and starts its new, coarser ones from the coarsest branch before. */
function transition(
  builder: GraphBuilder,
  branches: readonly Value[],
  channels: readonly number[],
): readonly Value[] {
  return channels.map((width, i) => {
    const branch = branches[i];
    const options = { channels: width, kernel: 3, activation: relu };
    if (branch === undefined) {
      const coarsest = branches.at(-1) as Value;
      return convNormActivation(builder.at(i).at(0), [0, 1], coarsest, { ...options, stride: 2 });
    }
    return channelsOf(branch) === width ? branch : convNormActivation(builder.at(i), [0, 1], branch, options);
  });
}

/** One module: residual blocks in each branch, then every branch becomes relu(the sum of all, brought to its size). */
function exchange(
  builder: GraphBuilder,
  branches: readonly Value[],
  blocks: number,
  alignCorners: boolean,
): readonly Value[] {
  const refined = branches.map((branch, i) => {
    const scope = builder.at('branches').at(i);
    let y = branch;
    for (let block = 0; block < blocks; block++)
      y = basicBlock(scope.at(block), y, { channels: channelsOf(branch) });
    return y;
  });
  return refined.map((target, i) => {
    const scope = builder.at('fuse_layers').at(i);
    const parts = refined.map((source, j) =>
      bringTo(scope.at(j), { value: source, index: j }, { value: target, index: i }, alignCorners),
    );
    const sum = parts.reduce((a, b) => scope.add(add, { a, b }, noActivation).y);
    return scope.add(activate, { x: sum }, relu).y;
  });
}

interface Branch {
  readonly value: Value;
  readonly index: number;
}

/** Coarse to fine: 1×1 convolution, then resize. Fine to coarse: a 3×3 convolution of stride 2 for each halving. */
function bringTo(builder: GraphBuilder, source: Branch, target: Branch, alignCorners: boolean): Value {
  const channels = channelsOf(target.value);
  if (source.index === target.index) return source.value;
  if (source.index > target.index) {
    const narrowed = convNormActivation(builder, [0, 1], source.value, { channels, kernel: 1 });
    return resizeTo(builder, narrowed, target.value, alignCorners);
  }
  let y = source.value;
  const halvings = target.index - source.index;
  for (let step = 0; step < halvings; step++)
    y = convNormActivation(
      builder.at(step),
      [0, 1],
      y,
      step === halvings - 1
        ? { channels, kernel: 3, stride: 2 }
        : { channels: channelsOf(source.value), kernel: 3, stride: 2, activation: relu },
    );
  return y;
}

function resizeTo(builder: GraphBuilder, x: Value, target: Value, alignCorners: boolean): Value {
  const [, height, width] = target.type.shape as [number, number, number, number];
  if (x.type.shape[1] === height && x.type.shape[2] === width) return x;
  return builder.add(resizeBilinear, { x }, { height, width, alignCorners, ...noActivation }).y;
}

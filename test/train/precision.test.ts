import { expect } from 'chai';
import { compilePrepared } from '../../lib/compile/compile.js';
import { abstractTarget } from '../../lib/compile/target.js';
import type { Graph } from '../../lib/ir/graph.js';
import { erase } from '../../lib/ir/op.js';
import { byteLength, type DataType } from '../../lib/ir/tensor-type.js';
import { imageNetNormalisation } from '../../lib/models/normalisation.js';
import { conv2dFilterGradient } from '../../lib/ops/index.js';
import { adamW, chain, clipByGlobalNorm, movingAverage } from '../../lib/optim/index.js';
import { trainingGraphOf } from '../../lib/train/training-program.js';
import { contextVariants } from '../support/context-variants.js';
import { smallBackbones } from '../support/small-backbones.js';

const size = { batch: 2, height: 65, width: 97 };
const classes = 3;

/** Bytes of all maps that nodes compute, by element type. */
function activationBytes({ nodes }: Graph): Partial<Record<DataType, number>> {
  const bytes: Partial<Record<DataType, number>> = {};
  for (const { spec, outputs } of nodes)
    for (const { type } of Object.values(outputs))
      if (type.shape.length === 4 && spec !== erase(conv2dFilterGradient))
        bytes[type.dataType] = (bytes[type.dataType] ?? 0) + byteLength(type);
  return bytes;
}

describe('training in bfloat16', () => {
  for (const { name, context } of contextVariants({ channels: 16 }))
    for (const [family, backbone] of Object.entries(smallBackbones))
      it(`has float32 parameters and bfloat16 activations for ${name} on ${family}`, () => {
        const config = {
          ...{ backbone, context, classes },
          alignCorners: true,
          normalisation: imageNetNormalisation,
        };
        const graphOf = (precision: 'float32' | 'bfloat16') =>
          trainingGraphOf(config, 'accumulate-and-update', {
            ...size,
            precision,
            losses: { ignoreLabel: 255 },
            optimiser: chain(clipByGlobalNorm(1), adamW(), movingAverage()),
            groups: {},
          });
        const [exact, mixed] = [graphOf('float32'), graphOf('bfloat16')];
        // What a checkpoint holds does not depend on the precision.
        expect(mixed.arena.layout).to.equal(exact.arena.layout);
        // What is exact is small: class scores, regions.
        const { float32 = 0, bfloat16 = 0 } = activationBytes(mixed.graph);
        expect(float32).to.be.below(0.4 * bfloat16);
        if (context.kind !== 'ocr') return;
        const gradientBytes = 4 * mixed.arena.parameterCount;
        const [exactBytes, mixedBytes] = [exact, mixed].map(
          ({ graph }) => compilePrepared(graph, abstractTarget).arenaBytes - gradientBytes,
        ) as [number, number];
        expect(mixedBytes).to.be.below(0.75 * exactBytes);
      });
});

import { float, int, oneOf } from '../ir/attributes.js';
import { defineOp, type InputGradients, requireShape } from '../ir/op.js';
import { elementCount, formatType, sameShape, type TensorType } from '../ir/tensor-type.js';
import { nhwc, requireFloat } from './shapes.js';

/** What a dropout drops by itself: whole channels of a sample, as PyTorch's Dropout2d, or single elements, as its Dropout. */
export const dropped = ['channels', 'elements'] as const;
export type Dropped = (typeof dropped)[number];

/** The type of the input that says which random numbers a run draws. */
export const noiseType: TensorType = { dataType: 'int32', shape: [4] };

/**
 * Dropout (Srivastava et al. 2014; of channels: Tompson et al. 2015): y = m · x, where m is 0 with the probability `rate` and
 * 1 / (1 − rate) otherwise, so that the expectation of y is x. For training: a network that runs has none.
 *
 * The factors m are functions of what they are for, so that they are the same on all devices, however many threads compute
 * them, and are computed again for the gradient rather than kept. With noise = (lower and upper word of the seed, number of the
 * run, index of the first sample in the whole batch), the factor of place i in sample n, its channel or its place in (H, W, C),
 * is 0 where word i mod 4 of Philox4x32-10 (lib/nn/philox.ts) is below rate · 2³², the rate in float32, for the key (lower,
 * upper) and the counter (⌊i / 4⌋, 2³² − 1 − stream, first + n, run). `stream` tells the dropouts of a network apart; counted
 * from above, so that nothing else that is drawn from the seed (lib/nn/initialise.ts, lib/data/random.ts) has the same counter.
 */
export const dropout = defineOp({
  name: 'dropout',
  summary: 'random zeros for channels or elements',
  inputs: ['x', 'noise'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { rate: float, drops: oneOf('Dropped', dropped), stream: int },
  facts: { inPlaceOf: 'x', readsSlices: ['x'], writesSlices: true },
  infer({ x, noise }, { rate, stream }) {
    nhwc(x, 'x');
    requireFloat(x, 'x');
    requireShape(
      noise.dataType === noiseType.dataType && sameShape(noise.shape, noiseType.shape),
      () => `needs noise as ${formatType(noiseType)}, got ${formatType(noise)}`,
    );
    requireShape(rate >= 0 && Math.fround(rate) < 1, () => `needs a rate from 0 to below 1, got ${rate}`);
    requireShape(stream >= 0, () => `needs stream >= 0, got ${stream}`);
    return { y: x };
  },
  flops: (_inputs, { y }) => elementCount(y.shape),
  gradient: ({ inputs: { noise }, attributes, outputGradients: { y: dy }, add }): InputGradients<'x'> => ({
    x: dy && add(dropout, { x: dy, noise }, attributes).y,
  }),
});

import { bool, float } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType, type TensorType } from '../ir/tensor-type.js';
import { requireMoments } from './conv2d-moments.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat, requireSameType, requireVector } from './shapes.js';

/**
 * Batch normalisation while it is trained (Ioffe and Szegedy 2015): y = activation((x − mean) · inverseDeviation · weight +
 * bias + residual) per channel, with the mean and the biased variance over all pixels of the batch and inverseDeviation =
 * 1 / √(variance + epsilon). The running statistics move towards those of the batch by the part `momentum`, the variance
 * unbiased, as in PyTorch; that of a single pixel, which PyTorch refuses, is 0.
 *
 * `synchronised` takes the pixels of all members of the device's group for one batch. Member m has nₘ of them with mean μₘ and
 * Mₘ = Σ (x − μₘ)²; then n = Σ nₘ, mean = Σ nₘ μₘ / n and variance = Σ (Mₘ + nₘ (μₘ − mean)²) / n (Chan, Golub and LeVeque 1979),
 * in float64 and in the order of the members, so that all come to the same bits. The step waits for all of them.
 *
 * `frozen` normalises with the running statistics and leaves them; then nothing is synchronised. `recoversInput` promises the
 * backward pass that x can be computed from y, so that x need not be kept: In-Place Activated BatchNorm (Rota Bulò et al. 2018),
 * for activations that can be inverted and without a residual.
 *
 * `means` and `squares` (ranges, C) are the moments of x's ranges of 64 pixels, where a conv2dMoments has found them: both or
 * neither, and neither where it is frozen. Mean and variance are then joined from them by the same formula, and x is read once.
 */
export const batchNormTraining = defineOp({
  name: 'batchNormTraining',
  summary: 'batch normalisation with the statistics of the batch',
  inputs: ['x', 'weight', 'bias', 'runningMean', 'runningVariance'],
  optionalInputs: ['residual', 'means', 'squares'],
  outputs: ['y', 'mean', 'inverseDeviation', 'newRunningMean', 'newRunningVariance'],
  attributes: {
    epsilon: float,
    momentum: float,
    frozen: bool,
    synchronised: bool,
    recoversInput: bool,
    ...epilogueAttributes,
  },
  facts: {
    exactInputs: ['weight', 'bias', 'runningMean', 'runningVariance', 'means', 'squares'],
    epilogue: { residual: true, activation: true },
    inPlaceOf: 'x',
    updates: { newRunningMean: 'runningMean', newRunningVariance: 'runningVariance' },
    readsSlices: ['x', 'residual'],
    writesSlices: true,
  },
  infer({ x, weight, bias, runningMean, runningVariance, residual, means, squares }, attributes) {
    const channels = nhwc(x, 'x')[3];
    requireFloat(x, 'x');
    for (const [name, vector] of Object.entries({ weight, bias, runningMean, runningVariance }))
      requireVector(vector, name, channels);
    requireSameType(x, residual, 'x and residual');
    requireMoments(x, { means, squares });
    const { frozen, recoversInput, activation, negativeSlope } = attributes;
    requireShape(
      !frozen || means === undefined,
      () => `is frozen and takes no moments, got means ${formatType(means as TensorType)}`,
    );
    requireShape(
      !recoversInput || (residual === undefined && invertible({ activation, negativeSlope })),
      () => `cannot recover its input through ${residual ? 'a residual' : activation}`,
    );
    return {
      y: x,
      mean: weight,
      inverseDeviation: weight,
      newRunningMean: weight,
      newRunningVariance: weight,
    };
  },
  flops: (_inputs, { y }) => 5 * elementCount(y.shape),
  gradient: ({ inputs, outputs, attributes, outputGradients: { y: dy }, add }) => {
    if (!dy) return {};
    const { frozen, synchronised, recoversInput, activation, negativeSlope } = attributes;
    const { x, weight, bias, residual } = inputs;
    const { mean, inverseDeviation } = outputs;
    // Without a residual the sign of y follows from x: y need not be read.
    const readsY = recoversInput || (residual !== undefined && activation !== 'none');
    const { dx, dWeight, dBias, dResidual } = add(
      batchNormGradient,
      {
        dy,
        weight,
        bias,
        mean,
        inverseDeviation,
        x: recoversInput ? undefined : x,
        y: readsY ? outputs.y : undefined,
      },
      { frozen, synchronised, activation, negativeSlope },
    );
    return { x: dx, weight: dWeight, bias: dBias, residual: activation === 'none' ? dy : dResidual };
  },
});

/** Whether an activation can be undone from its result. */
export const invertible = ({
  activation,
  negativeSlope,
}: {
  readonly activation: string;
  readonly negativeSlope: number;
}): boolean => activation === 'none' || (activation === 'leakyRelu' && negativeSlope > 0);

/**
 * The gradients of {@link batchNormTraining}. With n pixels, x̂ = (x − mean) · inverseDeviation and g = dy ·
 * activation′(y): dBias = Σ g, dWeight = Σ g x̂, dResidual = g, dx = weight · inverseDeviation · (g − dBias / n − x̂ · dWeight
 * / n), and without the two last terms where the statistics were frozen.
 *
 * `synchronised`: n, and the sums in dx, are those of all members of the device's group, each of which has a part of the batch
 * and of the losses' sum. dWeight and dBias stay the member's own: as every parameter's gradient they are added up by
 * allReduce.
 *
 * Without `x`, x̂ is recovered from y: (activation⁻¹(y) − bias) / weight, with the rounding of y magnified by 1 / weight, and
 * 0 where the weight is 0, so that such a weight gets no gradient. `y` is needed for that, and where a residual came between
 * x and the activation.
 */
export const batchNormGradient = defineOp({
  name: 'batchNormGradient',
  summary: 'gradients of the batch normalisation',
  inputs: ['dy', 'weight', 'bias', 'mean', 'inverseDeviation'],
  optionalInputs: ['x', 'y'],
  outputs: ['dx', 'dWeight', 'dBias', 'dResidual'],
  attributes: { frozen: bool, synchronised: bool, ...epilogueAttributes },
  facts: {
    exactInputs: ['weight', 'bias', 'mean', 'inverseDeviation'],
    inPlaceOf: 'dy',
    readsSlices: ['dy', 'x', 'y'],
    writesSlices: true,
  },
  infer({ dy, weight, bias, mean, inverseDeviation, x, y }, attributes) {
    const channels = nhwc(dy, 'dy')[3];
    requireFloat(dy, 'dy');
    for (const [name, vector] of Object.entries({ weight, bias, mean, inverseDeviation }))
      requireVector(vector, name, channels);
    requireSameType(dy, x, 'dy and x');
    requireSameType(dy, y, 'dy and y');
    requireShape(
      x !== undefined || (y !== undefined && invertible(attributes)),
      () => 'needs x, or y behind an activation that can be inverted',
    );
    return { dx: dy, dWeight: weight, dBias: bias, dResidual: dy };
  },
  flops: (_inputs, { dx }) => 9 * elementCount(dx.shape),
  gradient: notDifferentiable, // first derivatives alone
});

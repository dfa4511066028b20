import { momentPixels } from '../../lib/ops/conv2d-moments.js';
import { type Activation, noActivation } from '../../lib/ops/epilogue.js';
import { conv2d } from './reference-ops.js';
import {
  activation,
  type Epilogue,
  make,
  map,
  type Reference,
  type ReferenceTensor,
} from './reference-tensor.js';

/** Batch normalisation in training and what belongs to it, in plain loops over float64: see reference-ops.ts. */

type R = ReferenceTensor;

/** activation′ at an argument z, or at the activation's result, which tells as much. */
function derivative(z: number, kind: Activation, negativeSlope: number): number {
  switch (kind) {
    case 'none':
      return 1;
    case 'relu':
      return z > 0 ? 1 : 0;
    case 'relu6':
      return z > 0 && z < 6 ? 1 : 0;
    case 'leakyRelu':
      return z > 0 ? 1 : negativeSlope;
  }
}

export const activateGradient: Reference<{ dy: R; y: R }, Epilogue> = (
  { dy, y },
  { activation, negativeSlope },
) => ({
  dx: map(dy, (value, i) => value * derivative(y.data[i] as number, activation, negativeSlope)),
});

/** One number for each channel from all values of that channel. */
function perChannel(x: R, reduce: (indices: number[]) => number): R {
  const channels = x.shape.at(-1) as number;
  const pixels = x.data.length / channels;
  const result = make([channels]);
  for (let c = 0; c < channels; c++)
    result.data[c] = reduce(Array.from({ length: pixels }, (_, pixel) => pixel * channels + c));
  return result;
}

const sum = (indices: number[], term: (i: number) => number): number =>
  indices.reduce((total, i) => total + term(i), 0);

export const channelSums: Reference<{ x: R; other?: R }, object> = ({ x, other }) => ({
  y: perChannel(x, (indices) =>
    sum(indices, (i) => (x.data[i] as number) * (other ? (other.data[i] as number) : 1)),
  ),
});

/** Of an element of x: where the moments of its range are, and over how many pixels. */
function rangeOf(x: R): (i: number) => { moment: number; count: number } {
  const channels = x.shape.at(-1) as number;
  const pixels = x.data.length / channels;
  return (i) => {
    const range = Math.floor(i / channels / momentPixels);
    const count = Math.min(momentPixels, pixels - range * momentPixels);
    return { moment: range * channels + (i % channels), count };
  };
}

/** Means of ranges of pixels, and sums of squared distances from them. */
function momentsOf(x: R): { means: R; squares: R } {
  const channels = x.shape.at(-1) as number;
  const shape = [Math.ceil(x.data.length / channels / momentPixels), channels];
  const [means, squares] = [make(shape), make(shape)];
  const range = rangeOf(x);
  x.data.forEach((value, i) => {
    const { moment, count } = range(i);
    means.data[moment] = (means.data[moment] as number) + value / count;
  });
  x.data.forEach((value, i) => {
    const { moment } = range(i);
    const distance = value - (means.data[moment] as number);
    squares.data[moment] = (squares.data[moment] as number) + distance * distance;
  });
  return { means, squares };
}

export const conv2dMoments: Reference<
  { x: R; filter: R; bias?: R },
  { stride: number; padding: number; dilation: number; groups: number }
> = (inputs, window) => {
  const { y } = conv2d(inputs, { ...window, ...noActivation }) as { y: R };
  return { y, ...momentsOf(y) };
};

interface BatchNormInputs {
  readonly x: R;
  readonly weight: R;
  readonly bias: R;
  readonly runningMean: R;
  readonly runningVariance: R;
  readonly residual?: R;
  readonly means?: R;
  readonly squares?: R;
}

export const batchNormTraining: Reference<
  BatchNormInputs,
  Epilogue & { epsilon: number; momentum: number; frozen: boolean }
> = (
  { x, weight, bias, runningMean, runningVariance, residual, means, squares },
  { epsilon, momentum, frozen, activation: kind, negativeSlope },
) => {
  const channels = weight.data.length;
  const pixels = x.data.length / channels;
  const range = rangeOf(x);
  const centre = means ? map(x, (_, i) => means.data[range(i).moment] as number) : x;
  const spread = (i: number) => (squares ? (squares.data[range(i).moment] as number) / range(i).count : 0);
  const batchMean = perChannel(x, (indices) => sum(indices, (i) => centre.data[i] as number) / pixels);
  const batchVariance = perChannel(
    x,
    (indices) =>
      sum(
        indices,
        (i) => spread(i) + ((centre.data[i] as number) - (batchMean.data[i % channels] as number)) ** 2,
      ) / pixels,
  );
  const mean = frozen ? runningMean : batchMean;
  const inverseDeviation = map(
    frozen ? runningVariance : batchVariance,
    (value) => 1 / Math.sqrt(value + epsilon),
  );
  const y = map(x, (value, i) => {
    const c = i % channels;
    const centred = value - (mean.data[c] as number);
    const scaled = centred * (inverseDeviation.data[c] as number) * (weight.data[c] as number);
    return activation(scaled + (bias.data[c] as number) + (residual?.data[i] ?? 0), kind, negativeSlope);
  });
  const moved = (old: R, now: R, factor: number) =>
    frozen
      ? old
      : map(old, (value, c) => (1 - momentum) * value + momentum * factor * (now.data[c] as number));
  return {
    y,
    mean,
    inverseDeviation,
    newRunningMean: moved(runningMean, batchMean, 1),
    newRunningVariance: moved(runningVariance, batchVariance, pixels / Math.max(pixels - 1, 1)),
  };
};

interface BatchNormGradientInputs {
  readonly dy: R;
  readonly weight: R;
  readonly bias: R;
  readonly mean: R;
  readonly inverseDeviation: R;
  readonly x?: R;
  readonly y?: R;
}

export const batchNormGradient: Reference<BatchNormGradientInputs, Epilogue & { frozen: boolean }> = (
  { dy, weight, bias, mean, inverseDeviation, x, y },
  { frozen, activation: kind, negativeSlope },
) => {
  const channels = weight.data.length;
  const pixels = dy.data.length / channels;
  const of = (vector: R, i: number) => vector.data[i % channels] as number;
  const normal = map(dy, (_, i) => {
    if (x) return ((x.data[i] as number) - of(mean, i)) * of(inverseDeviation, i);
    const result = (y as R).data[i] as number;
    const argument = kind === 'leakyRelu' && result <= 0 ? result / negativeSlope : result;
    return of(weight, i) === 0 ? 0 : (argument - of(bias, i)) / of(weight, i);
  });
  const dResidual = map(dy, (value, i) => {
    const known = y ? (y.data[i] as number) : (normal.data[i] as number) * of(weight, i) + of(bias, i);
    return value * derivative(known, kind, negativeSlope);
  });
  const { y: dBias } = channelSums({ x: dResidual }, {}) as { y: R };
  const { y: dWeight } = channelSums({ x: dResidual, other: normal }, {}) as { y: R };
  const dx = map(dResidual, (value, i) => {
    const kept = frozen ? 0 : (of(dBias, i) + (normal.data[i] as number) * of(dWeight, i)) / pixels;
    return of(weight, i) * of(inverseDeviation, i) * (value - kept);
  });
  return { dx, dWeight, dBias, dResidual };
};

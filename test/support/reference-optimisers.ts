import { map, type Reference, type ReferenceTensor } from './reference-tensor.js';

/** What updates flat vectors, in plain loops over float64: see reference-ops.ts. */

type R = ReferenceTensor;
interface Part {
  readonly first: number;
  readonly count: number;
}

const scalar = (tensor: R | undefined, otherwise: number): number => tensor?.data[0] ?? otherwise;

/** A vector with new values in a part of it, unless the step is skipped. */
const updated = (
  vector: R,
  { first, count }: Part,
  gradientScale: R | undefined,
  value: (i: number) => number,
): R =>
  map(vector, (old, i) =>
    i >= first && i < first + count && scalar(gradientScale, 1) !== 0 ? value(i) : old,
  );

export const sgd: Reference<
  { parameters: R; gradients: R; velocity: R; schedule: R; gradientScale?: R },
  Part & { learningRateScale: number; momentum: number; nesterov: boolean; weightDecay: number }
> = ({ parameters, gradients, velocity, schedule, gradientScale }, attributes) => {
  const { learningRateScale, momentum, nesterov, weightDecay } = attributes;
  const rate = learningRateScale * scalar(schedule, 0);
  const gradient = (i: number) =>
    (gradients.data[i] as number) * scalar(gradientScale, 1) + weightDecay * (parameters.data[i] as number);
  const newVelocity = updated(
    velocity,
    attributes,
    gradientScale,
    (i) => momentum * (velocity.data[i] as number) + gradient(i),
  );
  const newParameters = updated(parameters, attributes, gradientScale, (i) => {
    const speed = newVelocity.data[i] as number;
    return (parameters.data[i] as number) - rate * (nesterov ? gradient(i) + momentum * speed : speed);
  });
  return { newParameters, newVelocity };
};

export const adamW: Reference<
  { parameters: R; gradients: R; firstMoment: R; secondMoment: R; schedule: R; gradientScale?: R },
  Part & { learningRateScale: number; beta1: number; beta2: number; epsilon: number; weightDecay: number }
> = ({ parameters, gradients, firstMoment, secondMoment, schedule, gradientScale }, attributes) => {
  const { learningRateScale, beta1, beta2, epsilon, weightDecay } = attributes;
  const rate = learningRateScale * scalar(schedule, 0);
  const time = schedule.data[1] as number;
  const gradient = (i: number) => (gradients.data[i] as number) * scalar(gradientScale, 1);
  const newFirstMoment = updated(
    firstMoment,
    attributes,
    gradientScale,
    (i) => beta1 * (firstMoment.data[i] as number) + (1 - beta1) * gradient(i),
  );
  const newSecondMoment = updated(
    secondMoment,
    attributes,
    gradientScale,
    (i) => beta2 * (secondMoment.data[i] as number) + (1 - beta2) * gradient(i) ** 2,
  );
  const newParameters = updated(parameters, attributes, gradientScale, (i) => {
    const first = (newFirstMoment.data[i] as number) / (1 - beta1 ** time);
    const second = (newSecondMoment.data[i] as number) / (1 - beta2 ** time);
    const decayed = (1 - rate * weightDecay) * (parameters.data[i] as number);
    return decayed - (rate * first) / (Math.sqrt(second) + epsilon);
  });
  return { newParameters, newFirstMoment, newSecondMoment };
};

export const globalNorm: Reference<{ x: R; gradientScale?: R }, { maximum: number }> = (
  { x, gradientScale },
  { maximum },
) => {
  const scale = scalar(gradientScale, 1);
  const norm = Math.sqrt(x.data.reduce((sum, value) => sum + value * value, 0)) * (scale === 0 ? 1 : scale);
  const clip = Number.isFinite(norm) ? Math.min(1, maximum / (norm + 1e-6)) : Number.NaN;
  const factor = scale === 0 || maximum === 0 ? scale : scale * clip;
  return {
    norm: { shape: [1], data: Float64Array.of(norm) },
    factor: { shape: [1], data: Float64Array.of(factor) },
  };
};

export const adjustLossScale: Reference<{ gradients: R; lossScale: R }, { growthInterval: number }> = (
  { gradients, lossScale },
  { growthInterval },
) => {
  const [scale, steps] = lossScale.data as unknown as [number, number];
  const finite = gradients.data.every(Number.isFinite);
  const grows = finite && steps + 1 >= growthInterval;
  const next = finite ? (grows ? [2 * scale, 0] : [scale, steps + 1]) : [scale / 2, 0];
  return {
    newLossScale: { shape: [2], data: Float64Array.from(next) },
    gradientScale: { shape: [1], data: Float64Array.of(finite ? 1 / scale : 0) },
    scale: { shape: [1], data: Float64Array.of(scale) },
  };
};

export const accumulate: Reference<{ total: R; part: R; weights: R }, object> = ({
  total,
  part,
  weights,
}) => {
  const [keep, scale] = weights.data as unknown as [number, number];
  return {
    newTotal: map(part, (value, i) => (keep === 0 ? 0 : keep * (total.data[i] as number)) + scale * value),
  };
};

export const movingAverage: Reference<
  { average: R; values: R; schedule: R; gradientScale?: R },
  { decay: number; warmUp: boolean }
> = ({ average, values, schedule, gradientScale }, { decay, warmUp }) => {
  if (scalar(gradientScale, 1) === 0) return { newAverage: average };
  const time = schedule.data[1] as number;
  const kept = warmUp ? Math.min(decay, (1 + time) / (10 + time)) : decay;
  return { newAverage: map(average, (value, i) => kept * value + (1 - kept) * (values.data[i] as number)) };
};

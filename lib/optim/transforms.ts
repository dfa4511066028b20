import { invalidArgument } from '../errors.js';
import type { Value } from '../ir/graph.js';
import * as ops from '../ops/index.js';
import type { Transform } from './transform.js';

/**
 * Scales all gradients by one factor where their Euclidean norm is above `maximum`, as PyTorch's clip_grad_norm_. Reports
 * the norm as it was, `gradientNorm`.
 */
export function clipByGlobalNorm(maximum: number): Transform {
  if (!(maximum > 0)) throw invalidArgument('maximum gradient norm', 'a number above 0', maximum);
  return (step, { add, report }) => {
    const { gradients: x, gradientScale } = step;
    const { norm, factor } = add(ops.globalNorm, { x, gradientScale }, { maximum });
    report('gradientNorm', norm);
    return { ...step, gradientScale: factor };
  };
}

export interface SgdOptions {
  /** 0 to 1; by default 0.9. */
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Added to the gradients: weightDecay · parameters. By default 0. */
  readonly weightDecay?: number;
}

/** Stochastic gradient descent with momentum, as PyTorch's SGD. */
export function sgd({ momentum = 0.9, nesterov = false, weightDecay = 0 }: SgdOptions = {}): Transform {
  return (step, { add, schedule, ranges, state, keep }) => {
    let { parameters } = step;
    let velocity: Value = state('velocity', 'parameters');
    for (const { first, count, learningRateScale, decayed } of ranges) {
      const next = add(
        ops.sgd,
        {
          parameters,
          gradients: step.gradients,
          velocity,
          schedule,
          gradientScale: step.gradientScale,
        },
        { first, count, learningRateScale, momentum, nesterov, weightDecay: decayed ? weightDecay : 0 },
      );
      parameters = next.newParameters;
      velocity = next.newVelocity;
    }
    keep(parameters);
    keep(velocity);
    return { ...step, parameters };
  };
}

export interface AdamWOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled: parameters shrink by learning rate · weightDecay. By default 0.01. */
  readonly weightDecay?: number;
}

/** Adam with decoupled weight decay, as PyTorch's AdamW. */
export function adamW(options: AdamWOptions = {}): Transform {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = options;
  return (step, { add, schedule, ranges, state, keep }) => {
    let { parameters } = step;
    let firstMoment: Value = state('firstMoment', 'parameters');
    let secondMoment: Value = state('secondMoment', 'parameters');
    for (const { first, count, learningRateScale, decayed } of ranges) {
      const next = add(
        ops.adamW,
        {
          parameters,
          gradients: step.gradients,
          firstMoment,
          secondMoment,
          schedule,
          gradientScale: step.gradientScale,
        },
        { first, count, learningRateScale, beta1, beta2, epsilon, weightDecay: decayed ? weightDecay : 0 },
      );
      parameters = next.newParameters;
      firstMoment = next.newFirstMoment;
      secondMoment = next.newSecondMoment;
    }
    for (const value of [parameters, firstMoment, secondMoment]) keep(value);
    return { ...step, parameters };
  };
}

export interface MovingAverageOptions {
  /** Part of the old average that stays at each step, 0 to 1; by default 0.999. */
  readonly decay?: number;
  /** Whether early steps keep less of it: (1 + t) / (10 + t). By default so. */
  readonly warmUp?: boolean;
}

/** An exponential moving average of the parameters and running statistics beside them, for evaluation. After the update. */
export function movingAverage({ decay = 0.999, warmUp = true }: MovingAverageOptions = {}): Transform {
  return (step, { add, schedule, state, keep }) => {
    const average = (name: string, shape: 'parameters' | 'statistics', values: Value) => {
      const before = state(name, shape, { startsAsCopy: true });
      const operands = { average: before, values, schedule, gradientScale: step.gradientScale };
      keep(add(ops.movingAverage, operands, { decay, warmUp }).newAverage);
    };
    average('averageParameters', 'parameters', step.parameters);
    if (step.statistics) average('averageStatistics', 'statistics', step.statistics);
    return step;
  };
}

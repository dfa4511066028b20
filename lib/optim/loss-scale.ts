import { invalidArgument } from '../errors.js';

/**
 * Dynamic loss scaling: the backward pass computes the gradients times a scale, which the optimiser takes out again. The scale is
 * part of a training's state. It doubles after `growthInterval` steps without overflow; where a gradient is not finite it halves,
 * and the step changes neither parameters nor what the optimiser remembers.
 */
export interface LossScaleOptions {
  /** By default 65536. A power of two loses no bits. */
  readonly initial?: number;
  /** By default 2000. */
  readonly growthInterval?: number;
}

export const lossScaleDefaults = { initial: 65536, growthInterval: 2000 } as const;

/** @throws OcrnetError INVALID_ARGUMENT */
export function completeLossScale(options: LossScaleOptions): Required<LossScaleOptions> {
  const { initial, growthInterval } = { ...lossScaleDefaults, ...options };
  if (!(initial > 0 && initial <= 2 ** 126))
    throw invalidArgument('initial loss scale', 'a number above 0, up to 2^126', initial);
  if (!(Number.isInteger(growthInterval) && growthInterval > 0 && growthInterval <= 2 ** 24))
    throw invalidArgument('growth interval of the loss scale', 'an integer from 1 to 2^24', growthInterval);
  return { initial, growthInterval };
}

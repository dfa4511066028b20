import { invalidArgument } from '../errors.js';

/** The learning rate of each step, counted from 0. */
export type Schedule = (step: number) => number;

/** The same at every step. */
export const constant =
  (rate: number): Schedule =>
  () =>
    rate;

/** rate · (1 − step / steps)^power: "poly", the paper's, with power 0.9. 0 from `steps` on. */
export function poly({
  rate,
  steps,
  power = 0.9,
}: {
  rate: number;
  steps: number;
  power?: number;
}): Schedule {
  if (!(steps >= 1)) throw invalidArgument('steps of the schedule', 'a number from 1', steps);
  return (step) => rate * Math.max(0, 1 - step / steps) ** power;
}

/** Rises linearly over the first `steps` to what `schedule` gives, then follows it. */
export const warmUp =
  (steps: number, schedule: Schedule): Schedule =>
  (step) =>
    step < steps ? (schedule(step) * (step + 1)) / steps : schedule(step);

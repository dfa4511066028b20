import type { Value } from '../ir/graph.js';
import type { AddNode } from '../ir/op.js';

/** Parameters that lie one behind the other and are trained alike. */
export interface ParameterRange {
  /** Elements from the start of the parameters. */
  readonly first: number;
  readonly count: number;
  /** Times the learning rate of the step. */
  readonly learningRateScale: number;
  /** Whether weight decay applies. */
  readonly decayed: boolean;
}

/** State whose numbers belong one by one to the parameters, or to the running statistics. */
export type StateShape = 'parameters' | 'statistics';

/** What transforms build with. */
export interface OptimiserTools {
  readonly add: AddNode;
  /** (2): learning rate, number of the step from 1. An input of the plan. */
  readonly schedule: Value;
  readonly ranges: readonly ParameterRange[];
  /** New state, zero before the first step unless `startsAs` says that it begins as a copy. */
  state(name: string, shape: StateShape, options?: { readonly startsAsCopy?: boolean }): Value;
  /** Marks what stays after the step. */
  keep(value: Value): void;
  /** Makes a scalar (1) an output of the plan. */
  report(name: string, value: Value): void;
}

/** A training step behind the backward pass, as flat vectors (n). */
export interface OptimiserStep {
  readonly parameters: Value;
  readonly gradients: Value;
  /** (1): gradients are to be multiplied by it; 0 for a step that is to change nothing. */
  readonly gradientScale?: Value;
  /** Running statistics as they are after the step; absent where the network has none. */
  readonly statistics?: Value;
}

/**
 * One link of an optimiser: takes a step and gives what is left to do with it, as optax has it. Each is a few operations over
 * the whole of the parameters, whatever their number.
 */
export type Transform = (step: OptimiserStep, tools: OptimiserTools) => OptimiserStep;

/** Links one after the other. */
export const chain =
  (...links: readonly Transform[]): Transform =>
  (step, tools) =>
    links.reduce((current, link) => link(current, tools), step);

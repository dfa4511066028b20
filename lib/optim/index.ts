export { completeLossScale, type LossScaleOptions, lossScaleDefaults } from './loss-scale.js';
export { constant, poly, type Schedule, warmUp } from './schedules.js';
export {
  chain,
  type OptimiserStep,
  type OptimiserTools,
  type ParameterRange,
  type StateShape,
  type Transform,
} from './transform.js';
export {
  type AdamWOptions,
  adamW,
  clipByGlobalNorm,
  type MovingAverageOptions,
  movingAverage,
  type SgdOptions,
  sgd,
} from './transforms.js';

import type { Value } from '../../ir/graph.js';

/** What a head predicts for each pixel of its feature map. */
export interface Scores {
  /** Class scores (N, h, w, K). */
  readonly logits: Value;
  /** Coarse class scores (N, h, w, K) of the intermediate features: what the auxiliary loss supervises. */
  readonly auxiliaryLogits?: Value | undefined;
  /** Of heads with soft object regions: the class scores (N, h, w, K) behind them. */
  readonly regionLogits?: Value | undefined;
  /** Soft object regions (N, h, w, K); each map sums to one. */
  readonly regions?: Value | undefined;
  /** Adds the relation of pixels to these regions (N, h, w, K), each pixel's summing to one, for whom wants to see it. */
  readonly relation?: (() => Value) | undefined;
}

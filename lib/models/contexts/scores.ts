import type { Value } from '../../ir/graph.js';

/** What a head predicts for each pixel of its feature map. */
export interface Scores {
  /** Class scores (N, h, w, K). */
  readonly logits: Value;
  /** The soft object regions behind them, where the head has any. */
  readonly objects?: {
    /** Coarse class scores (N, h, w, K). */
    readonly regionLogits: Value;
    /** Their spatial softmax (N, h, w, K). */
    readonly regions: Value;
  };
}

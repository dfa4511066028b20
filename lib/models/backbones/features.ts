import type { Value } from '../../ir/graph.js';

/** Which of its features a backbone ends with. HRNet's intermediate features are its final ones. */
export type BackboneEnd = 'intermediate' | 'final';

/** What a backbone hands to the head. */
export interface BackboneFeatures {
  /** The last feature map of each stage, fine to coarse, (N, H, W, C) each. */
  readonly stages: readonly Value[];
  /** What the coarse class scores (soft object regions) are predicted from; of the size of `final` unless its stride is 32. */
  readonly intermediate: Value;
  /** The representation that is classified; of a backbone that ends at its intermediate features, these. */
  readonly final: Value;
}

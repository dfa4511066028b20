import type { GraphExtension } from '../ir/extend.js';
import type { Value } from '../ir/graph.js';
import { crossEntropy } from '../ops/index.js';

/** Online hard example mining: only the pixels that are hardest for the final scores count. */
export interface HardPixels {
  /** Pixels count whose probability of the right class is at most this. */
  readonly threshold: number;
  /** At least so many pixels of the batch count. */
  readonly minimum: number;
}

export interface SegmentationLossOptions {
  /** Label of pixels that do not count. */
  readonly ignoreLabel: number;
  /** (K): of each class; by default all 1. */
  readonly classWeights?: readonly number[];
  /** 0 to below 1; by default 0. */
  readonly labelSmoothing?: number;
  /** Of the auxiliary scores beside the final ones; the paper's 0.4 by default. */
  readonly auxiliaryWeight?: number;
  /** Of the final scores alone. */
  readonly hardPixels?: HardPixels;
  readonly alignCorners: boolean;
}

/** Scores (N, h, w, K) that are trained. */
export interface TrainedScores {
  readonly logits: Value;
  /** Of intermediate features: OCR's region scores, other contexts' auxiliary head. */
  readonly auxiliaryLogits?: Value | undefined;
  /** (2): gradients are times its first number. */
  readonly lossScale?: Value | undefined;
}

/**
 * Pixel cross-entropy of the final scores and, with weight 0.4, of the auxiliary scores, each resized to the labels (N, H, W)
 * inside the operation. Paper, section 3.2 and 4.1.
 *
 * @returns scalars (1), weighted: their sum is what is trained
 */
export function segmentationLosses(
  extension: GraphExtension,
  { logits, auxiliaryLogits, lossScale }: TrainedScores,
  labels: Value,
  options: SegmentationLossOptions,
): { readonly final: Value; readonly auxiliary?: Value } {
  const { ignoreLabel, labelSmoothing = 0, auxiliaryWeight = 0.4, hardPixels, alignCorners } = options;
  const classWeights =
    options.classWeights && extension.constant('losses.classWeights', options.classWeights);
  const loss = (name: string, scores: Value, weight: number, hard?: HardPixels) =>
    extension.at(`losses.${name}`)(
      crossEntropy,
      { logits: scores, labels, classWeights, lossScale },
      {
        weight,
        ignoreLabel,
        labelSmoothing,
        hardThreshold: hard?.threshold ?? 0,
        hardMinimum: hard?.minimum ?? 0,
        alignCorners,
      },
    ).loss;
  const final = loss('final', logits, 1, hardPixels);
  if (!auxiliaryLogits) return { final };
  return { final, auxiliary: loss('auxiliary', auxiliaryLogits, auxiliaryWeight) };
}

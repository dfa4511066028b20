import { invalidArgument } from '../errors.js';
import type { ReadingOptions } from './check-split.js';
import type { Split } from './dataset.js';
import { countLabels, type LabelCounts } from './label-counts.js';

/** How weights follow from counts; see {@link weightsOf}. */
export const weightMethods = ['none', 'inverse-log', 'median-frequency'] as const;
export type WeightMethod = (typeof weightMethods)[number];

export interface ClassWeightOptions extends ReadingOptions {
  /** `inverse-log` unless told. */
  readonly method?: WeightMethod | undefined;
}

/**
 * Weights of the classes in the loss, by label, computed from a split's labels.
 *
 * @throws OcrnetError INVALID_ARGUMENT for an unknown method, and as {@link countLabels}
 */
export async function classWeights(split: Split, options: ClassWeightOptions = {}): Promise<Float32Array> {
  const { method = 'inverse-log', ...reading } = options;
  if (!weightMethods.includes(method))
    throw invalidArgument('method', `one of ${weightMethods.join(', ')}`, method);
  if (method === 'none') return new Float32Array(split.classes.length).fill(1);
  return weightsOf(await countLabels(split, reading), method);
}

/**
 * With n_k pixels of class k, and shares s_k = n_k / Σ n of the pixels that are not ignored:
 *
 * - `inverse-log`: w_k = 1 / ln(1.1 + s_k), then divided by their mean over the classes that occur. From rare to all of the
 *   picture the weight falls by a factor of 7.8: mild, bounded, the usual first choice.
 * - `median-frequency`: f_k = n_k / (pixels of the pictures that show k), w_k = median(f) / f_k (Eigen and Fergus 2015). A
 *   class that is a thousand times rarer weighs a thousand times more.
 * - `none`: all 1.
 *
 * A class that never occurs weighs 1.
 */
export function weightsOf({ pixels, pixelsWherePresent }: LabelCounts, method: WeightMethod): Float32Array {
  const weights = new Float32Array(pixels.length).fill(1);
  const present = [...pixels.keys()].filter((k) => (pixels[k] as number) > 0);
  if (method === 'none' || present.length === 0) return weights;
  const total = pixels.reduce((sum, count) => sum + count, 0);
  if (method === 'inverse-log') {
    const raw = present.map((k) => 1 / Math.log(1.1 + (pixels[k] as number) / total));
    const mean = raw.reduce((sum, weight) => sum + weight, 0) / raw.length;
    present.forEach((k, i) => {
      weights[k] = (raw[i] as number) / mean;
    });
  } else {
    const frequencies = present.map((k) => (pixels[k] as number) / (pixelsWherePresent[k] as number));
    const middle = median(frequencies);
    present.forEach((k, i) => {
      weights[k] = middle / (frequencies[i] as number);
    });
  }
  return weights;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
}

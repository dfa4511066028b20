import type { ReadingOptions } from './check-split.js';
import type { Split } from './dataset.js';
import { mapInOrder } from './in-order.js';

/** Pixels by class. Float64 holds whole numbers up to 2⁵³. */
export interface LabelCounts {
  /** Of each class, by label. */
  readonly pixels: Float64Array;
  /** For each class, the pixels of any class in the pictures that show it. */
  readonly pixelsWherePresent: Float64Array;
  readonly ignored: number;
}

/**
 * Counts the labels of a split; {@link checkSplit} gives the same counts on its way.
 *
 * @throws OcrnetError INVALID_DATA, FILE_NOT_FOUND, FILE_UNREADABLE, ABORTED
 */
export async function countLabels(
  split: Split,
  { signal, onProgress, concurrency = 4 }: ReadingOptions = {},
): Promise<LabelCounts> {
  let counts = noCounts(split.classes.length);
  let done = 0;
  for await (const { labels } of mapInOrder(split.samples, concurrency, (s) => s.readLabel(), signal)) {
    counts = addLabels(counts, labels);
    onProgress?.(++done, split.samples.length);
  }
  return counts;
}

export const noCounts = (classes: number): LabelCounts => ({
  pixels: new Float64Array(classes),
  pixelsWherePresent: new Float64Array(classes),
  ignored: 0,
});

/** The counts with those of one more picture, whose labels are below the number of classes or ignored. */
export function addLabels(counts: LabelCounts, labels: Uint8Array | Uint16Array): LabelCounts {
  const histogram = new Float64Array(labels instanceof Uint8Array ? 256 : 65536);
  for (let i = 0; i < labels.length; i++) (histogram[labels[i] as number] as number)++;
  const here = histogram.subarray(0, counts.pixels.length);
  const known = here.reduce((sum, count) => sum + count, 0);
  return {
    pixels: counts.pixels.map((count, k) => count + (here[k] as number)),
    pixelsWherePresent: counts.pixelsWherePresent.map((count, k) => count + (here[k] === 0 ? 0 : known)),
    ignored: counts.ignored + labels.length - known,
  };
}

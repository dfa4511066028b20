import type { LabelledImage, Sample, Split } from './dataset.js';
import { mapInOrder } from './in-order.js';
import { addLabels, type LabelCounts, noCounts } from './label-counts.js';

export interface ReadingOptions {
  readonly signal?: AbortSignal | undefined;
  /** After each sample, in order. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Samples that are read at a time; 4 unless told. */
  readonly concurrency?: number | undefined;
}

/** What a whole split holds. */
export interface SplitReport {
  readonly samples: number;
  /** Counted on the way, for class weights. */
  readonly counts: LabelCounts;
  /** Pixels; the smallest and the largest of all pictures, width and height each for itself. */
  readonly width: { readonly min: number; readonly max: number };
  readonly height: { readonly min: number; readonly max: number };
}

/**
 * Reads every picture and every label file of a split, so that training does not stop hours later at one that is damaged.
 * The first that is wrong, in the order of the samples, is an error that names its file.
 *
 * @throws OcrnetError INVALID_DATA for labels that cannot be decoded, do not have the picture's size or hold a value that is
 * no label (with the value, its first place and the number of its pixels); UNSUPPORTED_IMAGE for a picture that cannot be
 * decoded; FILE_NOT_FOUND, FILE_UNREADABLE; ABORTED
 */
export async function checkSplit(split: Split, options: ReadingOptions = {}): Promise<SplitReport> {
  let counts = noCounts(split.classes.length);
  const width = { min: Infinity, max: 0 };
  const height = { min: Infinity, max: 0 };
  for await (const { image, label } of readSamples(split, options)) {
    counts = addLabels(counts, label.labels);
    for (const [range, size] of [
      [width, image.width],
      [height, image.height],
    ] as const) {
      range.min = Math.min(range.min, size);
      range.max = Math.max(range.max, size);
    }
  }
  return { samples: split.samples.length, counts, width, height };
}

/** A sample that has been read. */
export interface ReadSample extends LabelledImage {
  readonly sample: Sample;
}

/**
 * All samples of a split once, in order and whole, the next ones read meanwhile: what evaluation takes.
 *
 * @throws OcrnetError as {@link checkSplit}
 */
export async function* readSamples(
  split: Split,
  { signal, onProgress, concurrency = 4 }: ReadingOptions = {},
): AsyncGenerator<ReadSample, void, void> {
  const read = async (sample: Sample) => ({ sample, ...(await sample.read()) });
  let done = 0;
  for await (const labelled of mapInOrder(split.samples, concurrency, read, signal)) {
    yield labelled;
    onProgress?.(++done, split.samples.length);
  }
}

import { describe, invalidArgument, OcrnetError } from '../errors.js';

/** The class of each pixel, as bytes or, above 256 classes, as 16-bit words. */
export type Labels = Uint8Array | Uint16Array;

export interface ConfusionOptions {
  /** True labels that count nowhere; by default 255. */
  readonly ignoreLabels?: readonly number[];
}

/**
 * How often pixels of each class were taken for each class, over any number of pictures: one matrix for all of them, as
 * benchmarks want it, for a mean over pictures would favour rare classes in small pictures.
 *
 * Counts are doubles, which are exact up to 2^53: nine million gigapixels.
 */
export class ConfusionMatrix {
  /** K. */
  readonly classes: number;
  /** (K, K): pixels of true class t that were predicted as p at t · K + p. */
  readonly counts: Float64Array;
  readonly #ignored: ReadonlySet<number>;

  /** @throws OcrnetError INVALID_ARGUMENT for a number of classes that is none */
  constructor(classes: number, { ignoreLabels = [255] }: ConfusionOptions = {}) {
    if (!Number.isInteger(classes) || classes < 1 || classes > 65536)
      throw invalidArgument('number of classes', 'an integer from 1 to 65536', classes);
    this.classes = classes;
    this.counts = new Float64Array(classes * classes);
    this.#ignored = new Set(ignoreLabels);
  }

  /**
   * Counts a picture. `name` says in errors which one it was.
   *
   * @throws OcrnetError INVALID_ARGUMENT for sizes that differ, and for labels that are neither a class nor ignored; nothing
   * of that picture is counted then
   */
  add(truth: Labels, prediction: Labels, name = 'the picture'): void {
    if (truth.length !== prediction.length)
      throw new OcrnetError('INVALID_ARGUMENT', `The labels of ${name} do not match the prediction`, {
        expected: `${prediction.length} pixels`,
        received: `${truth.length}`,
      });
    this.#requireClasses(truth, prediction, name);
    const { classes, counts } = this;
    const counted = Uint8Array.from({ length: classes }, (_, label) => (this.#ignored.has(label) ? 0 : 1));
    for (let i = 0; i < truth.length; i++) {
      const label = truth[i] as number;
      if (label >= classes || counted[label] === 0) continue;
      const cell = label * classes + (prediction[i] as number);
      counts[cell] = (counts[cell] as number) + 1;
    }
  }

  /** Pixels that were counted. */
  get pixels(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  #requireClasses(truth: Labels, prediction: Labels, name: string): void {
    const { classes } = this;
    const limit = classes === 1 ? '0' : `0 to ${classes - 1}`;
    for (let i = 0; i < truth.length; i++) {
      const label = truth[i] as number;
      if (label >= classes && !this.#ignored.has(label))
        throw invalidArgument(
          `label in ${name}`,
          `${limit}${this.#ignored.size > 0 ? `, or ${[...this.#ignored].join(', ')} for ignored` : ''}`,
          label,
        );
      if ((prediction[i] as number) >= classes)
        throw invalidArgument(`prediction for ${name}`, limit, describe(prediction[i]));
    }
  }
}

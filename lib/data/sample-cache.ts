import type { LabelledImage, Sample } from './dataset.js';

/**
 * Decoded samples, up to a number of bytes. What came first stays: a data set is gone through in epochs, where the sample
 * that was used last is the one that is needed last, so that throwing out the oldest would keep nothing that is asked for.
 */
export class SampleCache {
  readonly #limitBytes: number;
  readonly #kept = new Map<Sample, LabelledImage>();
  readonly #reading = new Map<Sample, Promise<LabelledImage>>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The sample, read if it has to be; one that is being read is not read twice. */
  async read(sample: Sample): Promise<LabelledImage> {
    const kept = this.#kept.get(sample) ?? this.#reading.get(sample);
    if (kept) return kept;
    const reading = sample.read();
    this.#reading.set(sample, reading);
    try {
      const read = await reading;
      const bytes = read.image.data.byteLength + read.label.labels.byteLength;
      if (this.#bytes + bytes <= this.#limitBytes) {
        this.#kept.set(sample, read);
        this.#bytes += bytes;
      }
      return read;
    } finally {
      this.#reading.delete(sample);
    }
  }
}

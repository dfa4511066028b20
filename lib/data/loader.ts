import { invalidArgument } from '../errors.js';
import { type Augmenter, type AugmentOptions, augmenter, paperAugmentation } from './augment/augment.js';
import type { Size } from './augment/crop.js';
import { newLabels, type Split } from './dataset.js';
import { limiter, mapInOrder, throwIfAborted } from './in-order.js';
import type { Mixture } from './mix.js';
import { requireSeed } from './random.js';
import { SampleCache } from './sample-cache.js';
import { SampleOrder } from './sample-order.js';

/**
 * Batches for training, without end. While one is used the next are made: sharp's threads decode and reduce pictures, the
 * rest is done on the event loop. What a batch holds is a function of the options and its step: see sample-order.ts and
 * random.ts.
 */

export interface LoaderOptions {
  /** Samples in a batch; all batches are full. */
  readonly batch: number;
  /** Pixels of each sample. */
  readonly crop: Size;
  /** {@link paperAugmentation} unless told; `{}` crops only. */
  readonly augment?: AugmentOptions | undefined;
  /** An integer from 0 to 2⁵³ − 1; 1 unless told. */
  readonly seed?: number | undefined;
  /** A new order for each epoch; otherwise that of the split. True unless told. */
  readonly shuffle?: boolean | undefined;
  /** Leaves out the samples at the end of an epoch that fill no batch; otherwise the next epoch fills it. */
  readonly dropLast?: boolean | undefined;
  /** RGB around pictures that are smaller than the crop, best the network's mean; ImageNet's mean unless told. */
  readonly fill?: readonly [number, number, number] | undefined;
  /** Samples in work at a time; 4 unless told. */
  readonly concurrency?: number | undefined;
  /** Batches that are made ready while one is used; 2 unless told. */
  readonly prefetch?: number | undefined;
  /** Decoded samples that are kept, in bytes; 512 MiB unless told, 0 keeps none. */
  readonly cacheBytes?: number | undefined;
  /** The first batch of an iteration; 0 unless told. */
  readonly start?: { readonly step: number } | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Batch {
  /** RGB bytes, (batch, height, width, 3). */
  readonly image: Uint8Array;
  /** (batch, height, width): classes, or the ignore label; words from 256 classes on. */
  readonly label: Uint8Array | Uint16Array;
  /** Of the samples. */
  readonly names: readonly string[];
  /** In which its first sample lies; of a mixture, the epoch of the first part. */
  readonly epoch: number;
  /** From 0, counted through all epochs. */
  readonly step: number;
}

/** The options that are needed after construction. */
interface Schedule {
  readonly batch: number;
  readonly crop: Size;
  readonly concurrency: number;
  readonly prefetch: number;
  readonly firstStep: number;
  readonly signal: AbortSignal | undefined;
}

const imageNetMean = [124, 116, 104] as const;

/**
 * @example
 * for await (const { image, label } of new Loader(split, { batch: 8, crop: { height: 512, width: 1024 } })) …
 */
export class Loader implements AsyncIterable<Batch, void, void> {
  readonly #order: SampleOrder;
  readonly #augment: Augmenter;
  readonly #cache: SampleCache;
  readonly #ignoreLabel: number;
  readonly #options: Schedule;
  #waitMs = 0;

  /** @throws OcrnetError INVALID_ARGUMENT */
  constructor(source: Split | Mixture, options: LoaderOptions) {
    const { batch, crop, augment = paperAugmentation, seed = 1, shuffle = true, dropLast = false } = options;
    const { fill = imageNetMean, concurrency = 4, prefetch = 2, cacheBytes = 512 * 2 ** 20 } = options;
    const firstStep = options.start?.step ?? 0;
    requireInteger('batch', batch, 1);
    requireInteger('concurrency', concurrency, 1);
    requireInteger('prefetch', prefetch, 0);
    requireInteger('cacheBytes', cacheBytes, 0);
    requireInteger('start.step', firstStep, 0);
    requireSeed(seed);
    const parts = 'parts' in source ? source.parts : [{ split: source, weight: 1 }];
    this.#augment = augmenter({ crop, augment, fill }, source);
    this.#order = new SampleOrder(parts, { seed, shuffle, dropLastOf: dropLast ? batch : undefined });
    this.#cache = new SampleCache(cacheBytes);
    this.#ignoreLabel = source.ignoreLabel;
    this.#options = { batch, crop, concurrency, prefetch, firstStep, signal: options.signal };
  }

  /** How long the consumer waited for batches, in all iterations together. Near zero when loading keeps up. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** Batches in an epoch (of a mixture: of its first part); not a whole number where epochs share a batch. */
  get stepsPerEpoch(): number {
    return this.#order.epochLength / this.#options.batch;
  }

  /**
   * Batches from `start.step` on. Leaving the loop stops all work; what has begun has ended when the loop is left.
   *
   * @throws OcrnetError as {@link Sample.read}, naming the file; ABORTED
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, void> {
    const { firstStep, signal, prefetch, concurrency } = this.#options;
    const left = new AbortController();
    const limit = limiter(concurrency);
    const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
    const batches = mapInOrder(
      countFrom(firstStep),
      prefetch + 1,
      (step) => this.#make(step, limit, either),
      signal,
    );
    try {
      for (;;) {
        const askedMs = performance.now();
        const { value } = await batches.next();
        this.#waitMs += performance.now() - askedMs;
        if (value) yield value;
      }
    } finally {
      left.abort();
      await batches.return();
    }
  }

  /** The batch of one step, the same that an iteration gives. */
  batchAt(step: number): Promise<Batch> {
    requireInteger('step', step, 0);
    return this.#make(step, limiter(this.#options.concurrency), this.#options.signal);
  }

  async #make(step: number, limit: ReturnType<typeof limiter>, signal?: AbortSignal): Promise<Batch> {
    const { batch, crop } = this.#options;
    const pixels = crop.width * crop.height;
    const image = new Uint8Array(3 * batch * pixels);
    const label = newLabels(this.#ignoreLabel, batch * pixels);
    const samples = Array.from({ length: batch }, (_, i) => this.#order.at(step * batch + i));
    const work = samples.map(({ sample, key }, i) =>
      limit(async () => {
        throwIfAborted(signal);
        await this.#augment(await this.#cache.read(sample), key, {
          image: image.subarray(3 * i * pixels, 3 * (i + 1) * pixels),
          label: label.subarray(i * pixels, (i + 1) * pixels),
        });
      }),
    );
    // All have ended before the first error goes on, so that nothing runs on unseen.
    const failed = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
    const names = samples.map(({ sample }) => sample.name);
    return { image, label, names, epoch: this.#order.epochAt(step * batch), step };
  }
}

function* countFrom(first: number): Generator<number, never, void> {
  for (let step = first; ; step++) yield step;
}

function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw invalidArgument(name, `an integer of at least ${least}`, value);
}

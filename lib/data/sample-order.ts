import { invalidArgument } from '../errors.js';
import type { Sample } from './dataset.js';
import type { MixturePart } from './mix.js';
import { type SampleKey, shuffledOrder } from './random.js';

/**
 * Which sample comes at which position of an endless sequence. A position is answered from itself alone, so that a run which
 * starts in the middle sees what an uninterrupted one sees.
 *
 * The parts of a mixture are dealt by splitting positions in two again and again: the first part has ⌊p · share⌋ of the first
 * p positions, the others share what is left in the same way. Every stretch holds each part's share to within one sample
 * for each split.
 */

export interface OrderOptions {
  readonly seed: number;
  readonly shuffle: boolean;
  /** Samples at an epoch's end that fill no batch are left out; their number comes from the size of a batch. */
  readonly dropLastOf?: number | undefined;
}

/** A sample and what its random draws depend on. */
export interface OrderedSample {
  readonly sample: Sample;
  readonly key: SampleKey;
}

interface Part {
  readonly samples: readonly Sample[];
  /** Of its samples in one epoch. */
  readonly used: number;
  /** How many samples the parts before it have. */
  readonly offset: number;
  /** Its share of the positions that the parts before it leave, in millionths. */
  readonly millionths: number;
}

const million = 1_000_000;
/** The order of an epoch is needed for as long as batches reach into it. */
const keptOrders = 4;

export class SampleOrder {
  readonly #parts: readonly Part[];
  readonly #options: OrderOptions;
  readonly #orders = new Map<string, Uint32Array>();

  constructor(parts: readonly MixturePart[], options: OrderOptions) {
    const { dropLastOf } = options;
    if (dropLastOf !== undefined && parts.length > 1)
      throw invalidArgument('dropLast', 'false for a mixture, whose parts have epochs of their own', true);
    let rest = parts.reduce((sum, { weight }) => sum + weight, 0);
    let offset = 0;
    this.#options = options;
    this.#parts = parts.map(({ split: { samples }, weight }, i) => {
      const millionths =
        i === parts.length - 1 ? million : Math.max(1, Math.round((weight / rest) * million));
      const used = dropLastOf === undefined ? samples.length : samples.length - (samples.length % dropLastOf);
      if (used === 0)
        throw invalidArgument('batch', `at most the split's ${samples.length} samples`, dropLastOf);
      const part = { samples, used, offset, millionths };
      rest -= weight;
      offset += samples.length;
      return part;
    });
  }

  /** Positions in an epoch of the first part. */
  get epochLength(): number {
    const { used, millionths } = this.#parts[0] as Part;
    return (used * million) / millionths;
  }

  at(position: number): OrderedSample {
    const { part, ordinal } = this.#deal(position);
    const { samples, used, offset } = this.#parts[part] as Part;
    const epoch = Math.floor(ordinal / used);
    const index = this.#index(part, epoch, ordinal % used);
    const key = { seed: this.#options.seed, epoch, index: offset + index };
    return { sample: samples[index] as Sample, key };
  }

  /** How often the first part has been gone through before this position. */
  epochAt(position: number): number {
    const { used, millionths } = this.#parts[0] as Part;
    return Math.floor(countBefore(position, millionths) / used);
  }

  #deal(position: number): { part: number; ordinal: number } {
    let left = position;
    for (const [part, { millionths }] of this.#parts.entries()) {
      const before = countBefore(left, millionths);
      if (countBefore(left + 1, millionths) > before) return { part, ordinal: before };
      left -= before;
    }
    throw new Error('the last part takes all that is left');
  }

  #index(part: number, epoch: number, place: number): number {
    const { seed, shuffle } = this.#options;
    if (!shuffle) return place;
    const key = `${part}/${epoch}`;
    let order = this.#orders.get(key);
    if (order === undefined) {
      order = shuffledOrder((this.#parts[part] as Part).samples.length, seed, epoch, part);
      if (this.#orders.size >= keptOrders * this.#parts.length) {
        const [oldest] = this.#orders.keys();
        this.#orders.delete(oldest as string);
      }
      this.#orders.set(key, order);
    }
    return order[place] as number;
  }
}

/** ⌊positions · millionths / 10⁶⌋ in whole numbers, exact up to 9·10⁹ positions. */
function countBefore(positions: number, millionths: number): number {
  const product = positions * millionths;
  return (product - (product % million)) / million;
}

import { setImmediate, setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import type { LabelledImage, Sample, Split } from '../../lib/data/dataset.js';
import { mapInOrder } from '../../lib/data/in-order.js';
import { type Batch, Loader, type LoaderOptions } from '../../lib/data/loader.js';
import { type Mixture, mix } from '../../lib/data/mix.js';
import { OcrnetError } from '../../lib/errors.js';
import { expectOcrnetError } from '../support/expect-error.js';

const size = 12;
/** Counts reads, and how many are under way at a time. */
const reads = { begun: 0, running: 0, most: 0 };

function noisy(seed: number): LabelledImage {
  const data = Uint8Array.from({ length: 3 * size * size }, (_, i) => ((i + seed) * 7919) % 251);
  const labels = Uint8Array.from({ length: size * size }, (_, i) => (i * 31 + seed) % 3);
  return { image: { data, width: size, height: size }, label: { labels, width: size, height: size } };
}

function sample(name: string, seed: number): Sample {
  const read = async () => {
    reads.begun++;
    reads.most = Math.max(reads.most, ++reads.running);
    // Later samples are ready earlier.
    await setTimeout(seed % 2 === 0 ? 3 : 0);
    reads.running--;
    return noisy(seed);
  };
  return { name, read, readLabel: async () => noisy(seed).label };
}

const classes = ['a', 'b', 'c'].map((name) => ({ name, colour: [0, 0, 0] as [number, number, number] }));
const splitOf = (count: number, prefix = 's'): Split => ({
  name: 'train',
  classes,
  ignoreLabel: 255,
  mirrorPairs: [],
  samples: Array.from({ length: count }, (_, i) => sample(`${prefix}${i}`, i)),
});

const options: LoaderOptions = { batch: 3, crop: { width: 8, height: 8 }, seed: 4 };

async function take(count: number, source: Split | Mixture, more: Partial<LoaderOptions> = {}) {
  const batches: Batch[] = [];
  for await (const batch of new Loader(source, { ...options, ...more })) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

describe('the loader', () => {
  beforeEach(() => Object.assign(reads, { begun: 0, running: 0, most: 0 }));

  it('gives full batches, each sample once an epoch, in a new order each time', async () => {
    const batches = await take(12, splitOf(9));
    expect(batches.map(({ step }) => step)).to.deep.equal([...Array(12).keys()]);
    expect(batches.map(({ epoch }) => epoch)).to.deep.equal([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    const epochs = [0, 3, 6, 9].map((first) => batches.slice(first, first + 3).flatMap(({ names }) => names));
    for (const names of epochs)
      expect([...names].sort()).to.deep.equal(Array.from({ length: 9 }, (_, i) => `s${i}`));
    expect(new Set(epochs.map(String)).size).to.equal(4);
    const [first] = batches;
    expect([first?.image.length, first?.label.length]).to.deep.equal([3 * 3 * 64, 3 * 64]);
  });

  it('gives the same bytes whatever the concurrency, the prefetch and the cache', async () => {
    const split = splitOf(7);
    const expected = await take(8, split, { concurrency: 1, prefetch: 0, cacheBytes: 0 });
    for (const more of [{ concurrency: 8, prefetch: 5 }, { concurrency: 3, cacheBytes: 2000 }, {}])
      expect(await take(8, split, more)).to.deep.equal(expected);
    expect(await take(8, split, { seed: 5 })).not.to.deep.equal(expected);
  });

  it('goes on at any step as if it had never stopped', async () => {
    for (const source of [
      splitOf(7),
      mix([
        { split: splitOf(7), weight: 2 },
        { split: splitOf(4, 't'), weight: 1 },
      ]),
    ]) {
      const all = await take(11, source);
      expect(await take(4, source, { start: { step: 7 } })).to.deep.equal(all.slice(7));
      expect(await new Loader(source, options).batchAt(9)).to.deep.equal(all[9]);
    }
  });

  it('fills the last batch from the next epoch, or drops it', async () => {
    const filled = await take(7, splitOf(7), { shuffle: false });
    expect(filled.flatMap(({ names }) => names).slice(0, 9)).to.deep.equal(
      [0, 1, 2, 3, 4, 5, 6, 0, 1].map((i) => `s${i}`),
    );
    expect(filled.map(({ epoch }) => epoch)).to.deep.equal([0, 0, 0, 1, 1, 2, 2]);
    const dropped = await take(4, splitOf(7), { shuffle: false, dropLast: true });
    expect(dropped.map(({ names }) => names.join())).to.deep.equal([
      's0,s1,s2',
      's3,s4,s5',
      's0,s1,s2',
      's3,s4,s5',
    ]);
    expect(new Loader(splitOf(7), options).stepsPerEpoch).to.be.closeTo(7 / 3, 1e-12);
    expect(new Loader(splitOf(7), { ...options, dropLast: true }).stepsPerEpoch).to.equal(2);
  });

  it('mixes splits in their shares, each through its own epochs', async () => {
    const mixture = mix([
      { split: splitOf(6, 'a'), weight: 3 },
      { split: splitOf(5, 'b'), weight: 1 },
      { split: splitOf(4, 'c'), weight: 2 },
    ]);
    const names = (await take(40, mixture)).flatMap((batch) => batch.names);
    const of = (letter: string) => names.filter((name) => name.startsWith(letter));
    expect(of('a').length).to.equal(60);
    expect(of('b').length).to.be.within(19, 21);
    for (const [letter, count] of [
      ['a', 6],
      ['b', 5],
      ['c', 4],
    ] as const)
      for (let first = 0; first + count <= 19; first += count)
        expect(new Set(of(letter).slice(first, first + count)).size).to.equal(count);
    // In any stretch the shares hold to within one sample for each split.
    for (let start = 0; start + 12 <= names.length; start++) {
      const stretch = names.slice(start, start + 12).filter((name) => name.startsWith('a')).length;
      expect(stretch).to.be.within(5, 7);
    }
  });

  it('refuses a mixture of different classes, weights that are none and dropLast', async () => {
    const other = { ...splitOf(2), classes: classes.slice(1) };
    await expectOcrnetError(
      () =>
        mix([
          { split: splitOf(2), weight: 1 },
          { split: other, weight: 1 },
        ]),
      'INVALID_ARGUMENT',
      'different classes',
      'expected a, b, c, received b, c',
    );
    await expectOcrnetError(() => mix([{ split: splitOf(2), weight: 0 }]), 'INVALID_ARGUMENT', 'weight');
    await expectOcrnetError(() => mix([]), 'INVALID_ARGUMENT', 'parts');
    const mixture = mix([1, 2].map((weight) => ({ split: splitOf(3), weight })));
    await expectOcrnetError(
      () => new Loader(mixture, { ...options, dropLast: true }),
      'INVALID_ARGUMENT',
      'dropLast',
    );
  });

  it('reads ahead, within its concurrency, and each sample once with a cache', async () => {
    const batches = new Loader(splitOf(6), { ...options, concurrency: 2, prefetch: 2 })[
      Symbol.asyncIterator
    ]();
    await batches.next();
    while (reads.begun < 6) await setTimeout(1);
    for (let i = 0; i < 6; i++) await batches.next();
    await batches.return();
    expect([reads.begun, reads.most]).to.deep.equal([6, 2]);
  });

  it('tells how long its consumer waited', async () => {
    const split = splitOf(6);
    const samples = split.samples.map((fast) => ({
      ...fast,
      read: async () => {
        await setTimeout(30);
        return fast.read();
      },
    }));
    const loader = new Loader({ ...split, samples }, { ...options, concurrency: 1, prefetch: 1 });
    const batches = loader[Symbol.asyncIterator]();
    await batches.next();
    const first = loader.waitMs;
    // Timers may fire a millisecond early.
    expect(first).to.be.at.least(3 * 29);
    await setTimeout(300);
    await batches.next();
    expect(loader.waitMs - first).to.be.below(first / 2);
    await batches.return();
  });

  it('stops all work when its loop is left', async () => {
    await take(1, splitOf(50), { concurrency: 2, prefetch: 10 });
    const { begun, running } = reads;
    expect(running).to.equal(0);
    expect(begun).to.be.below(12);
    await setTimeout(20);
    expect(reads.begun).to.equal(begun);
  });

  it('ends with ABORTED when its signal says so, even while a batch is waited for', async () => {
    const controller = new AbortController();
    const slow = { ...splitOf(4) };
    const loader = new Loader(slow, { ...options, signal: controller.signal });
    const batches = loader[Symbol.asyncIterator]();
    await batches.next();
    const next = batches.next();
    controller.abort();
    // The batch may have been ready.
    await expectOcrnetError(async () => {
      await next;
      await batches.next();
    }, 'ABORTED');
    expect((await batches.next()).done).to.equal(true);
    await expectOcrnetError(() => take(1, slow, { signal: AbortSignal.abort() }), 'ABORTED');
  });

  it('throws what reading a sample throws, after the batches before it', async () => {
    const split = splitOf(9);
    const broken: Sample = {
      ...sample('broken', 1),
      read: async () => {
        throw new OcrnetError('UNSUPPORTED_IMAGE', 'Cannot decode broken.jpg');
      },
    };
    const samples = split.samples.map((good, i) => (i === 7 ? broken : good));
    const seen: number[] = [];
    await expectOcrnetError(
      async () => {
        const loader = new Loader({ ...split, samples }, { ...options, shuffle: false, prefetch: 4 });
        for await (const { step } of loader) seen.push(step);
      },
      'UNSUPPORTED_IMAGE',
      'broken.jpg',
    );
    expect(seen).to.deep.equal([0, 1]);
  });

  it('names the option that makes no sense', async () => {
    for (const [name, value] of [
      ['batch', 0],
      ['seed', -1],
      ['concurrency', 0],
      ['prefetch', 1.5],
      ['cacheBytes', -1],
      ['crop', { width: 8, height: 1.5 }],
      ['start', { step: -1 }],
    ] as const)
      await expectOcrnetError(
        () => new Loader(splitOf(3), { ...options, [name]: value }),
        'INVALID_ARGUMENT',
        name,
      );
    await expectOcrnetError(
      () => new Loader(splitOf(2), { ...options, dropLast: true }),
      'INVALID_ARGUMENT',
      'batch',
      '2 samples',
    );
  });
});

describe('mapInOrder', () => {
  it('keeps order, stays within its limit and waits for what it started', async () => {
    let [running, most] = [0, 0];
    const work = async (item: number) => {
      most = Math.max(most, ++running);
      await setTimeout(item % 3);
      running--;
      return item;
    };
    const results: number[] = [];
    for await (const result of mapInOrder(Array(20).keys(), 4, work)) results.push(result);
    expect(results).to.deep.equal([...Array(20).keys()]);
    expect(most).to.equal(4);
    for await (const result of mapInOrder(Array(20).keys(), 4, work)) if (result === 5) break;
    expect(running).to.equal(0);
    await setImmediate();
  });
});

import { expect } from 'chai';
import type { EvaluateOptions } from '../../lib/evaluate/evaluate.js';
import { renderScene } from '../../lib/image/render-scene.js';
import { evaluateModel } from '../../lib/serve/evaluate-model.js';
import { loadModel } from '../../lib/serve/load-model.js';
import type { Model } from '../../lib/serve/model.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { tinyNetwork } from '../support/tiny-network.js';

const images = [
  [64, 40],
  [48, 56],
  [64, 40],
].map(([width = 0, height = 0], seed) => renderScene({ width, height, seed }));

describe('evaluating a model', () => {
  let model: Model;
  before(async () => {
    model = await loadModel(tinyNetwork(4), { onWarning: () => {} });
  });
  after(() => model.dispose());

  /** The labels are the model's own, so that a perfect score is known to be right; `spoil` changes them. */
  async function pictures(spoil: (labels: Uint8Array, index: number) => void = () => {}) {
    const labels = await Promise.all(
      images.map(async (image, index) => {
        const found = (await model.segment({ ...image, channels: 3 })).labels as Uint8Array;
        spoil(found, index);
        return found;
      }),
    );
    return {
      classes: model.classes,
      ignoreLabel: 255,
      samples: images.map((image, index) => ({
        name: `picture ${index}`,
        read: async () => {
          const { width, height } = image;
          return { image, label: { labels: labels[index] as Uint8Array, width, height } };
        },
      })),
    };
  }

  it('finds a model in full agreement with itself, and tells how far it has come', async () => {
    const calls: unknown[] = [];
    const onProgress = (...call: unknown[]) => calls.push(call);
    const {
      miou,
      pixelAccuracy,
      pictures: count,
      perClass,
    } = await evaluateModel(model, await pictures(), {
      onProgress,
    });
    expect([miou, pixelAccuracy, count]).to.deep.equal([1, 1, 3]);
    expect(perClass.map(({ name }) => name)).to.deep.equal(model.classes.map(({ name }) => name));
    expect(perClass.filter(({ pixels }) => pixels > 0)).to.have.length.above(1);
    expect(calls).to.deep.equal([0, 1, 2].map((index) => [index + 1, 3, `picture ${index}`]));
  });

  it('counts errors and ignores what is ignored', async () => {
    const spoil = (labels: Uint8Array, index: number) => {
      labels.fill(255, 0, 100);
      if (index === 0) labels[100] = ((labels[100] as number) + 1) % 4;
    };
    const { pixelAccuracy, confusion } = await evaluateModel(model, await pictures(spoil));
    const pixels = 2 * 64 * 40 + 48 * 56 - 300;
    expect(confusion.reduce((sum, count) => sum + count)).to.equal(pixels);
    expect(pixelAccuracy).to.equal((pixels - 1) / pixels);
  });

  it('agrees nearly with itself through windows, mirrored and at other scales', async () => {
    const views: EvaluateOptions[] = [
      { window: { height: 200, width: 200 } },
      { window: { height: 32, width: 48 } },
      { flip: true },
      { flip: true, scales: [1, 1.5], merge: 'exponentials' },
    ];
    const found = [];
    for (const options of views)
      found.push((await evaluateModel(model, await pictures(), options)).pixelAccuracy);
    expect(found[0], 'one window over everything').to.be.above(0.9999);
    // Random weights see the borders of windows, but not at random.
    for (const [i, accuracy] of found.entries()) expect(accuracy, `view ${i}`).to.be.above(0.5);
  });

  it('says what does not match', async () => {
    const good = await pictures();
    const few = { ...good, classes: model.classes.slice(1) };
    await expectOcrnetError(
      () => evaluateModel(model, few),
      'INVALID_ARGUMENT',
      'expected 3 classes, as the data has, received 4',
    );
    const wrong = await pictures((labels) => labels.fill(7, 5));
    await expectOcrnetError(() => evaluateModel(model, wrong), 'INVALID_ARGUMENT', 'picture 0', 'received 7');
    await expectOcrnetError(
      () => evaluateModel(model, { ...good, samples: [] }),
      'INVALID_ARGUMENT',
      'at least one',
    );
    const read = async () => ({
      image: images[0] as (typeof images)[number],
      label: { labels: new Uint8Array(5), width: 5, height: 1 },
    });
    const short = { ...good, samples: [{ name: 'short.png', read }] };
    await expectOcrnetError(
      () => evaluateModel(model, short),
      'INVALID_ARGUMENT',
      'short.png',
      'expected 2560 pixels, received 5',
    );
  });

  it('ends when it is told to', async () => {
    const abort = new AbortController();
    const options = { signal: abort.signal, onProgress: () => abort.abort() };
    const all = await pictures();
    await expectOcrnetError(() => evaluateModel(model, all, options), 'ABORTED');
  });
});

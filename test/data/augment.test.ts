import { expect } from 'chai';
import { type AugmentOptions, augmenter } from '../../lib/data/augment/augment.js';
import { shiftBrightness } from '../../lib/data/augment/brightness.js';
import { flipImage, flipLabels, mirrorTable } from '../../lib/data/augment/flip.js';
import { jitterColours } from '../../lib/data/augment/jitter.js';
import { drawScale } from '../../lib/data/augment/scale.js';
import type { LabelledImage } from '../../lib/data/dataset.js';
import { randomSource, shuffledOrder } from '../../lib/data/random.js';
import { expectOcrnetError } from '../support/expect-error.js';

const meaning = { classes: [], ignoreLabel: 255, mirrorPairs: [] };
const fill = [1, 2, 3] as const;
const sourceOf = (...numbers: number[]) => {
  let next = 0;
  return () => numbers[next++ % numbers.length] as number;
};

/** Red is the column, green the row, blue the label; the label is the column too. */
function ramp(width: number, height: number): LabelledImage {
  const data = new Uint8Array(3 * width * height);
  const labels = new Uint8Array(width * height);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      labels[i] = x;
      data.set([x, y, x], 3 * i);
    }
  return { image: { data, width, height }, label: { labels, width, height } };
}

async function crop(
  sample: LabelledImage,
  width: number,
  height: number,
  augment: AugmentOptions,
  index = 0,
) {
  const room = { image: new Uint8Array(3 * width * height), label: new Uint8Array(width * height) };
  const key = { seed: 5, epoch: 0, index };
  await augmenter({ crop: { width, height }, augment, fill }, meaning)(sample, key, room);
  return room;
}

describe('augmentation', () => {
  it('scales and cuts picture and labels alike, to a fraction of a pixel', async () => {
    const sample = ramp(240, 200);
    for (const scale of [0.51, 0.77, 1, 1.31, 1.97])
      for (let index = 0; index < 4; index++) {
        const augment = { scale: { scales: [scale] }, flip: true };
        const { image, label } = await crop(sample, 97, 81, augment, index);
        // At a centre c of a target pixel in the source, the label is ⌊c⌋ and the colour c − ½ to one level of rounding.
        let [sum, most] = [0, 0];
        for (let i = 0; i < label.length; i++) {
          const difference = (image[3 * i] as number) - (label[i] as number);
          most = Math.max(most, Math.abs(difference));
          sum += difference;
        }
        expect(most, `scale ${scale}`).to.be.at.most(1);
        expect(Math.abs(sum / label.length), `scale ${scale}`).to.be.below(0.1);
        const [first, last] = [label[0] as number, label[96] as number];
        expect(Math.abs(last - first)).to.be.within(96 / scale - 2, 96 / scale + 2);
        const rows = (image[3 * 97 * 80 + 1] as number) - (image[1] as number);
        expect(rows).to.be.within(80 / scale - 2, 80 / scale + 2);
      }
  });

  it('at scale 1 copies', async () => {
    const sample = ramp(30, 20);
    const { image, label } = await crop(sample, 10, 7, {});
    const [left, top] = [image[0] as number, image[1] as number];
    for (let i = 0; i < 70; i++) {
      expect(label[i]).to.equal(left + (i % 10));
      expect([...image.subarray(3 * i, 3 * i + 2)]).to.deep.equal([label[i], top + Math.floor(i / 10)]);
    }
  });

  it('pads small pictures with the fill colour and the ignore label, at the same pixels', async () => {
    const places = new Set<string>();
    for (let index = 0; index < 6; index++) {
      const augment = { scale: { scales: [0.5] }, brightness: 10, flip: true };
      const { image, label } = await crop(ramp(40, 30), 50, 12, augment, index);
      const inside = [...label].map((value) => value !== 255);
      expect(inside.filter(Boolean)).to.have.length(20 * 12);
      const around = inside.map((isInside, i) => (isInside ? '' : image.subarray(3 * i, 3 * i + 3).join()));
      expect(new Set(around)).to.deep.equal(new Set(['', fill.join()]));
      places.add(String(inside.indexOf(true)));
    }
    expect(places.size).to.be.above(2);
  });

  it('brings pictures to a base size first', async () => {
    const short = await crop(ramp(200, 100), 200, 50, { resize: { shortSide: 50 } });
    expect(short.label.filter((value) => value !== 255)).to.have.length(100 * 50);
    const both = await crop(ramp(200, 100), 20, 40, { resize: { width: 20, height: 40 } });
    expect([both.label[0], both.label[19]]).to.deep.equal([5, 195]);
  });

  it('draws from the seed, the epoch and the sample alone', async () => {
    const augment = { scale: { min: 0.5, max: 2 }, flip: true, brightness: 10, jitter: { contrast: 0.3 } };
    const sample = ramp(60, 50);
    const before = [...sample.image.data];
    const a = await crop(sample, 24, 24, augment, 3);
    await crop(sample, 24, 24, augment, 4);
    const b = await crop(sample, 24, 24, augment, 3);
    expect([...a.image, ...a.label]).to.deep.equal([...b.image, ...b.label]);
    expect([...sample.image.data]).to.deep.equal(before);
    const draws = [0, 1, 2].flatMap((n) => [
      randomSource({ seed: n, epoch: 0, index: 0 }, 'crop')(),
      randomSource({ seed: 9, epoch: n, index: 1 }, 'crop')(),
      randomSource({ seed: 9, epoch: 7, index: n }, 'flip')(),
    ]);
    expect(new Set(draws).size).to.equal(draws.length);
  });

  it('mirrors rows and swaps the classes of a pair', () => {
    const pixels = Uint8Array.from({ length: 18 }, (_, i) => i);
    flipImage(pixels, 3);
    expect([...pixels]).to.deep.equal([6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11]);
    const labels = Uint8Array.of(14, 1, 255, 15, 15, 2);
    flipLabels(labels, 3, mirrorTable([[14, 15]]));
    expect([...labels]).to.deep.equal([255, 1, 15, 2, 14, 14]);
  });

  it('mirrors half of the samples', () => {
    const flips = Array.from({ length: 1000 }, (_, index) =>
      Number(randomSource({ seed: 1, epoch: 0, index }, 'flip')() < 0.5),
    );
    // Five standard deviations of a fair coin.
    expect(flips.reduce((sum, flip) => sum + flip, 0)).to.be.within(500 - 80, 500 + 80);
  });

  it('shifts brightness within its range and cuts off', () => {
    for (const [random, shift] of [
      [0, -10],
      [0.5, 0],
      [0.9999, 10],
    ] as const) {
      const pixels = Uint8Array.of(0, 100, 255);
      shiftBrightness(pixels, 10, sourceOf(random));
      expect([...pixels]).to.deep.equal([Math.max(0, shift), 100 + shift, Math.min(255, 255 + shift)]);
    }
  });

  it('jitters as its four definitions say, and leaves gray gray', () => {
    const jitter = (options: object, draw: number, ...pixels: number[]) => {
      const bytes = Uint8Array.from(pixels);
      jitterColours(bytes, options, sourceOf(draw));
      return [...bytes];
    };
    // A draw of 0 is the lower end, 1 the upper.
    expect(jitter({ brightness: 0.5 }, 0, 100, 50, 200)).to.deep.equal([50, 25, 100]);
    expect(jitter({ contrast: 1 }, 0, 10, 10, 10, 30, 30, 30)).to.deep.equal([20, 20, 20, 20, 20, 20]);
    expect(jitter({ contrast: 1 }, 1, 10, 10, 10, 30, 30, 30)).to.deep.equal([0, 0, 0, 40, 40, 40]);
    const gray = Math.round(0.299 * 100 + 0.587 * 50 + 0.114 * 200);
    expect(jitter({ saturation: 1 }, 0, 100, 50, 200)).to.deep.equal([gray, gray, gray]);
    expect(jitter({ hue: 120 }, 1, 255, 0, 0)).to.deep.equal([0, 255, 0]);
    expect(jitter({ hue: 90, saturation: 0.9 }, 0.3, 77, 77, 77)).to.deep.equal([77, 77, 77]);
    expect(jitter({}, 0.3, 7, 99, 250)).to.deep.equal([7, 99, 250]);
  });

  it('draws scales from ranges and lists', () => {
    expect(drawScale({ min: 0.5, max: 2 }, sourceOf(0.5))).to.equal(1.25);
    expect(drawScale({ min: 0.5, max: 2, spacing: 'logarithmic' }, sourceOf(0.5))).to.be.closeTo(1, 1e-12);
    expect(drawScale({ scales: [0.5, 1, 2] }, sourceOf(0.4))).to.equal(1);
  });

  it('shuffles into every order alike', () => {
    const seen = new Map<string, number>();
    for (let epoch = 0; epoch < 6000; epoch++) {
      const order = shuffledOrder(3, 1, epoch, 0).join('');
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.size).to.equal(6);
    // 1000 expected of each; five standard deviations are 145.
    for (const count of seen.values()) expect(count).to.be.within(855, 1145);
  });

  it('names the option that makes no sense', async () => {
    const refuse = (augment: unknown, ...texts: string[]) =>
      expectOcrnetError(
        () => augmenter({ crop: { width: 8, height: 8 }, augment: augment as AugmentOptions, fill }, meaning),
        'INVALID_ARGUMENT',
        ...texts,
      );
    await refuse({ zoom: 2 }, 'zoom', 'resize');
    await refuse({ scale: { min: 2, max: 1 } }, 'augment.scale', '[2, 1]');
    await refuse({ scale: { scales: [] } }, 'augment.scale.scales');
    await refuse({ scale: { min: 1, max: 2, spacing: 'log' } }, 'spacing', 'logarithmic');
    await refuse({ brightness: -1 }, 'augment.brightness');
    await refuse({ jitter: { hue: 190 } }, 'augment.jitter.hue', '180');
    await refuse({ resize: { shortSide: 0 } }, 'augment.resize.shortSide');
    await expectOcrnetError(
      () => augmenter({ crop: { width: 0, height: 8 }, augment: {}, fill }, meaning),
      'INVALID_ARGUMENT',
      'crop.width',
    );
    await expectOcrnetError(
      () => augmenter({ crop: { width: 8, height: 8 }, augment: {}, fill: [0, 0, 256] }, meaning),
      'INVALID_ARGUMENT',
      'fill',
    );
  });
});

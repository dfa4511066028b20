import { expect } from 'chai';
import {
  checkTestOptions,
  predict,
  type ScoringNetwork,
  type TestOptions,
} from '../../lib/evaluate/multi-scale.js';
import { slidingWindows, WindowAverage } from '../../lib/evaluate/sliding-window.js';
import type { RgbImage } from '../../lib/image/decode.js';
import { expectOcrnetError } from '../support/expect-error.js';

describe('sliding windows', () => {
  it('cover a picture; the last lies at its edge', () => {
    const windows = slidingWindows(
      { height: 5, width: 10 },
      { height: 8, width: 4 },
      { height: 8, width: 3 },
    );
    expect(windows).to.deep.equal([0, 3, 6].map((left) => ({ top: 0, left, height: 5, width: 4 })));
    const moved = slidingWindows({ height: 9, width: 4 }, { height: 4, width: 4 }, { height: 4, width: 4 });
    expect(moved.map(({ top }) => top)).to.deep.equal([0, 4, 5]);
  });

  it('are averaged where they overlap', () => {
    const average = new WindowAverage({ height: 1, width: 3 }, 2);
    const size = { height: 1, width: 2 };
    const scores = (...data: number[]) => ({ ...size, classes: 2, data: Float32Array.from(data) });
    average.add({ top: 0, left: 0, ...size }, scores(1, 2, 3, 4));
    average.add({ top: 0, left: 1, ...size }, scores(5, 8, 7, 9));
    expect([...average.scores().data]).to.deep.equal([1, 2, 4, 6, 7, 9]);
  });
});

/** One pixel of a picture for each pair of scores: red is the first, green the second. */
const picture = (width: number, ...pixels: [number, number][]): RgbImage => ({
  data: Uint8Array.from(pixels.flatMap(([red, green]) => [red, green, 0])),
  width,
  height: pixels.length / width,
});

/**
 * Scores are the picture's own red and green, through `see`; resizing is by the nearest pixel. `seen` tells what it looked at.
 */
function network(see: (image: RgbImage) => number[] = ({ data }) => [...data]) {
  const seen: string[] = [];
  const scoresOf = (image: RgbImage) => ({
    data: Float32Array.from(see(image).filter((_, i) => i % 3 !== 2)),
    height: image.height,
    width: image.width,
    classes: 2,
  });
  const fake: ScoringNetwork = {
    classes: 2,
    labels: async () => {
      seen.push('labels');
      return new Uint8Array(1);
    },
    scores: async (image) => {
      seen.push(`${image.height}x${image.width}`);
      return scoresOf(image);
    },
    resize: async ({ data, height, width }, size, sum) => {
      const result = new Float32Array(2 * size.height * size.width);
      for (let i = 0; i < result.length; i++) {
        const [y, x] = [Math.floor(i / 2 / size.width), Math.floor(i / 2) % size.width];
        const from = Math.floor((y * height) / size.height) * width + Math.floor((x * width) / size.width);
        result[i] = (data[2 * from + (i % 2)] as number) + (sum?.data[i] ?? 0);
      }
      return { ...size, data: result, classes: 2 };
    },
    argmax: async (scores, size) => {
      const { data } = await fake.resize(scores, size);
      return Uint8Array.from({ length: data.length / 2 }, (_, i) =>
        (data[2 * i + 1] as number) > (data[2 * i] as number) ? 1 : 0,
      );
    },
  };
  return { fake, seen };
}

describe('testing with several views', () => {
  const pair = picture(2, [9, 1], [1, 9]);

  it('takes the plain way for one view of the whole picture', async () => {
    const { fake, seen } = network();
    await predict(fake, pair, {});
    await predict(fake, pair, { scales: [1], merge: 'exponentials' });
    expect(seen).to.deep.equal(['labels', 'labels']);
  });

  it('turns the scores of the mirror image back', async () => {
    // Sees red in the leftmost column, whatever is there: only a mirror image tells it otherwise.
    const { fake, seen } = network(({ data, width }) =>
      [...data].map((value, i) => (Math.floor(i / 3) % width === 0 && i % 3 === 0 ? value + 4 : value)),
    );
    const left = picture(2, [3, 5], [3, 5]);
    expect([...(await predict(fake, left, { scales: [1], flip: true }))]).to.deep.equal([0, 0]);
    expect(seen).to.deep.equal(['1x2', '1x2']);
    expect([...(await predict(fake, pair, { flip: true }))]).to.deep.equal([0, 1]);
  });

  it('sees the scales it is told and sums their scores', async () => {
    const { fake, seen } = network();
    const row = picture(4, [9, 1], [9, 1], [1, 9], [1, 9]);
    expect([...(await predict(fake, row, { scales: [0.5, 1, 2] }))]).to.deep.equal([0, 0, 1, 1]);
    expect(seen).to.deep.equal(['1x2', '1x4', '2x8']);
  });

  it('merges as openseg or as hrnet-ocr: a view that is sure weighs more there', async () => {
    // At scale 1 class 1 leads by little, at scale 2 class 0 by less than that, but from a higher level.
    const { fake } = network(({ data, width }) =>
      [...data].map((_, i) => (width === 1 ? [0, 3, 0] : [6, 4, 0])[i % 3] as number),
    );
    const one = picture(1, [0, 0]);
    const both = (merge: TestOptions['merge']) =>
      predict(fake, one, { scales: [1, 2], ...(merge && { merge }) });
    expect([...(await both('logits'))], '0 + 6 against 3 + 4').to.deep.equal([1]);
    expect([...(await both('exponentials'))], 'e⁰ + e⁶ against e³ + e⁴').to.deep.equal([0]);
    expect([...(await both(undefined))]).to.deep.equal([1]);
  });

  it('sees through windows, after scaling', async () => {
    const { fake, seen } = network();
    const row = picture(4, [9, 1], [1, 9], [9, 1], [1, 9]);
    const window = { height: 3, width: 3 };
    expect([...(await predict(fake, row, { window }))]).to.deep.equal([0, 1, 0, 1]);
    expect(seen.splice(0), 'a stride of 2').to.deep.equal(['1x3', '1x3']);
    await predict(fake, row, { window, stride: { height: 1, width: 1 }, scales: [2], flip: true });
    expect(seen).to.deep.equal(Array.from({ length: 2 * 6 }, () => '2x3'));
  });

  it('refuses impossible options', async () => {
    const window = { height: 4, width: 4 };
    const refused: [TestOptions, string][] = [
      [{ scales: [] }, 'scales'],
      [{ scales: [1, 0] }, 'scales'],
      [{ scales: [Number.NaN] }, 'scales'],
      [{ window: { height: 0, width: 4 } }, 'window'],
      [{ stride: window }, 'none without a window'],
      [{ window, stride: { height: 4, width: 5 } }, "at most the window's, 4, received 5"],
      [{ merge: 'mean' as 'logits' }, 'logits or exponentials'],
    ];
    for (const [options, text] of refused)
      await expectOcrnetError(() => checkTestOptions(options), 'INVALID_ARGUMENT', text);
  });
});

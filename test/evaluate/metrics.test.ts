import { expect } from 'chai';
import { ConfusionMatrix } from '../../lib/evaluate/confusion.js';
import { metricsOf } from '../../lib/evaluate/metrics.js';
import { expectOcrnetError } from '../support/expect-error.js';

const names = ['road', 'sky', 'car', 'train'];

function example(): ConfusionMatrix {
  const confusion = new ConfusionMatrix(4);
  confusion.add(Uint8Array.of(0, 0, 0, 1, 1, 255), Uint8Array.of(0, 0, 1, 1, 1, 3));
  confusion.add(Uint16Array.of(1, 255), Uint16Array.of(2, 0));
  return confusion;
}

describe('the confusion matrix', () => {
  it('counts pictures together, truth in rows, and leaves ignored labels out', () => {
    const { counts, pixels } = example();
    expect([...counts]).to.deep.equal([2, 1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(pixels).to.equal(6);
  });

  it('can ignore a class of its own', () => {
    const confusion = new ConfusionMatrix(2, { ignoreLabels: [0] });
    confusion.add(Uint8Array.of(0, 1), Uint8Array.of(0, 0));
    expect([...confusion.counts]).to.deep.equal([0, 0, 1, 0]);
  });

  it('refuses what it cannot count, names the picture and counts nothing of it', async () => {
    const confusion = new ConfusionMatrix(4);
    const [truth, prediction] = [Uint8Array.of(0, 4), Uint8Array.of(0, 0)];
    await expectOcrnetError(
      () => confusion.add(truth, prediction, 'b.png'),
      'INVALID_ARGUMENT',
      'b.png',
      '0 to 3, or 255 for ignored, received 4',
    );
    await expectOcrnetError(() => confusion.add(prediction, truth, 'b.png'), 'INVALID_ARGUMENT', 'b.png');
    await expectOcrnetError(
      () => confusion.add(Uint8Array.of(1), prediction),
      'INVALID_ARGUMENT',
      'expected 2 pixels, received 1',
    );
    expect(confusion.pixels).to.equal(0);
    for (const classes of [0, 1.5, 70000])
      await expectOcrnetError(() => new ConfusionMatrix(classes), 'INVALID_ARGUMENT', String(classes));
  });
});

describe('metrics', () => {
  it('follow from the matrix', () => {
    const { miou, pixelAccuracy, meanAccuracy, perClass } = metricsOf(example(), names);
    expect(perClass).to.deep.equal([
      { name: 'road', iou: 2 / 3, accuracy: 2 / 3, pixels: 3 },
      { name: 'sky', iou: 2 / 4, accuracy: 2 / 3, pixels: 3 },
      // Predicted but never there.
      { name: 'car', iou: 0, accuracy: null, pixels: 0 },
      { name: 'train', iou: null, accuracy: null, pixels: 0 },
    ]);
    expect(pixelAccuracy).to.equal(4 / 6);
    expect(miou).to.be.closeTo((2 / 3 + 2 / 4 + 0) / 3, 1e-12);
    expect(meanAccuracy).to.be.closeTo(2 / 3, 1e-12);
  });

  it('count absent classes as 0 where that is wanted', () => {
    const { miou, meanAccuracy, perClass } = metricsOf(example(), names, { absent: 'zero' });
    expect(perClass[3]).to.deep.equal({ name: 'train', iou: 0, accuracy: 0, pixels: 0 });
    expect(miou).to.be.closeTo((2 / 3 + 2 / 4) / 4, 1e-12);
    expect(meanAccuracy).to.be.closeTo(4 / 3 / 4, 1e-12);
  });

  it('need something to measure, and a name for each class', async () => {
    const empty = new ConfusionMatrix(4);
    empty.add(Uint8Array.of(255), Uint8Array.of(0));
    await expectOcrnetError(() => metricsOf(empty, names), 'INVALID_ARGUMENT', 'nothing to measure');
    await expectOcrnetError(() => metricsOf(example(), ['road']), 'INVALID_ARGUMENT', '4 of them');
  });
});

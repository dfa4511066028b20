import { expect } from 'chai';
import { decode } from 'fast-png';
import { encodeLabelPng } from '../../lib/image/label-png.js';
import { overlayLabels } from '../../lib/image/overlay.js';
import { camvid, cityscapes, vocPalette } from '../../lib/image/palette.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomBytes, randomNumbers } from '../support/random.js';

describe('palettes', () => {
  it('name the classes of Cityscapes and CamVid and give each its own colour', () => {
    for (const [{ names, palette }, count] of [
      [cityscapes, 19],
      [camvid, 11],
    ] as const) {
      expect(names).to.have.lengthOf(count);
      const colors = names.map((_, k) => palette.subarray(3 * k, 3 * k + 3).join());
      expect(new Set(colors)).to.have.lengthOf(count);
      expect(palette).to.have.lengthOf(3 * count);
    }
    expect(cityscapes.names[13]).to.equal('car');
    expect([...cityscapes.palette.subarray(39, 42)]).to.deep.equal([0, 0, 142]);
  });

  it("follow PASCAL VOC's map", () => {
    const palette = vocPalette(256);
    const color = (label: number) => [...palette.subarray(3 * label, 3 * label + 3)];
    expect(color(0)).to.deep.equal([0, 0, 0]);
    expect(color(1)).to.deep.equal([128, 0, 0]);
    expect(color(15)).to.deep.equal([192, 128, 128]); // person
    expect(color(20)).to.deep.equal([0, 64, 128]); // monitor
    expect(color(255)).to.deep.equal([224, 224, 192]); // the border around objects
  });

  it('give as many different colours as are asked for', async () => {
    const palette = vocPalette(1000);
    expect(
      new Set(Array.from({ length: 1000 }, (_, k) => palette.subarray(3 * k, 3 * k + 3).join())),
    ).to.have.lengthOf(1000);
    await expectOcrnetError(() => vocPalette(0), 'INVALID_ARGUMENT', 'number of classes');
  });
});

describe('encodeLabelPng', () => {
  it('keeps every label and the palette', async () => {
    for (const [width, height] of [
      [1, 1],
      [33, 17],
      [256, 3],
    ] as const) {
      const labels = Uint8Array.from(randomBytes([width * height], randomNumbers(width)).data, (v) => v % 19);
      const png = decode(await encodeLabelPng({ labels, width, height }, cityscapes.palette));
      expect([png.width, png.height, png.depth, png.channels]).to.deep.equal([width, height, 8, 1]);
      expect([...png.data]).to.deep.equal([...labels]);
      expect(png.palette?.flat()).to.deep.equal([...cityscapes.palette]);
    }
  });

  it('writes 256 classes in bytes and 257 in words', async () => {
    const labels = Uint16Array.of(0, 1, 255, 254, 7, 128);
    const bytes = decode(await encodeLabelPng({ labels, width: 3, height: 2 }, vocPalette(256)));
    expect([bytes.depth, ...bytes.data]).to.deep.equal([8, ...labels]);
    const large = Uint16Array.of(0, 256, 255, 65535, 7, 300);
    const words = decode(await encodeLabelPng({ labels: large, width: 3, height: 2 }, vocPalette(65536)));
    expect(words.palette).to.equal(undefined);
    expect([words.depth, words.channels, ...words.data]).to.deep.equal([16, 1, ...large]);
  });

  it('refuses labels without a colour and sizes that do not fit', async () => {
    const labels = Uint8Array.of(0, 19);
    await expectOcrnetError(
      () => encodeLabelPng({ labels, width: 2, height: 1 }, cityscapes.palette),
      'INVALID_ARGUMENT',
      'labels below 19',
      'received 19',
    );
    await expectOcrnetError(
      () => encodeLabelPng({ labels, width: 2, height: 2 }, cityscapes.palette),
      'INVALID_ARGUMENT',
      '2×2',
    );
  });
});

describe('overlayLabels', () => {
  const palette = Uint8Array.of(0, 0, 0, 200, 100, 50, 255, 255, 255);
  const image = { data: Uint8Array.from({ length: 12 }, (_, i) => 20 * i), width: 2, height: 2 };

  it('blends and leaves the picture itself alone', () => {
    const before = [...image.data];
    const labels = Uint8Array.of(0, 1, 2, 255);
    const overlay = overlayLabels(image, labels, palette, { alpha: 0.25 });
    expect([overlay.width, overlay.height]).to.deep.equal([2, 2]);
    expect([...image.data]).to.deep.equal(before);
    for (const [i, value] of overlay.data.entries()) {
      const label = labels[Math.floor(i / 3)] as number;
      const pixel = before[i] as number;
      const expected = label === 255 ? pixel : 0.75 * pixel + 0.25 * (palette[3 * label + (i % 3)] as number);
      expect(value, `byte ${i}`).to.equal(Math.round(expected));
    }
  });

  it('gives the picture at alpha 0 and the colours at alpha 1', () => {
    const labels = Uint16Array.of(0, 1, 2, 1);
    expect([...overlayLabels(image, labels, palette, { alpha: 0 }).data]).to.deep.equal([...image.data]);
    expect([...overlayLabels(image, labels, palette, { alpha: 1 }).data]).to.deep.equal(
      [...labels].flatMap((label) => [...palette.subarray(3 * label, 3 * label + 3)]),
    );
  });

  it('draws boundaries between classes and not around the picture', () => {
    const picture = { data: new Uint8Array(36), width: 4, height: 3 };
    const labels = Uint8Array.of(0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0);
    const overlay = overlayLabels(picture, labels, palette, { alpha: 0, boundaries: [9, 8, 7] });
    const drawn = Array.from(labels, (_, i) => (overlay.data[3 * i] === 9 ? 1 : 0));
    expect(drawn).to.deep.equal([0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]);
    const white = overlayLabels(picture, labels, palette, { alpha: 0, boundaries: true });
    expect([...white.data.subarray(3, 6)]).to.deep.equal([255, 255, 255]);
  });

  it('refuses an impossible alpha and labels of another size', async () => {
    for (const alpha of [-0.1, 1.1, Number.NaN])
      await expectOcrnetError(
        () => overlayLabels(image, new Uint8Array(4), palette, { alpha }),
        'INVALID_ARGUMENT',
        'alpha',
      );
    await expectOcrnetError(
      () => overlayLabels(image, new Uint8Array(3), palette),
      'INVALID_ARGUMENT',
      '2×2',
      'received 3',
    );
  });
});

import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import sharp from 'sharp';
import { decodeImage } from '../../lib/image/decode.js';
import { loadModel } from '../../lib/serve/load-model.js';
import type { Model } from '../../lib/serve/model.js';
import { scene } from '../support/pictures.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { tinyNetwork } from '../support/tiny-network.js';

const quietly = { onWarning: () => {} };

describe('segmenting pictures', () => {
  const folder = temporaryFolder();
  let model: Model;
  before(async () => {
    model = await loadModel(tinyNetwork(4), quietly);
  });
  after(() => model.dispose());

  it('gives the same labels for a path, a buffer, a sharp instance and raw pixels', async () => {
    const path = folder.path('street.png');
    await scene(65, 49).png().toFile(path);
    const expected = await model.segment(path);
    const { data } = await decodeImage(path);
    const inputs = {
      buffer: await readFile(path),
      sharp: sharp(path),
      'raw RGB': { data, width: 65, height: 49, channels: 3 as const },
    };
    for (const [kind, input] of Object.entries(inputs))
      expect((await model.segment(input)).labels, kind).to.deep.equal(expected.labels);
    expect(new Set(expected.labels).size, 'a picture with one class would prove nothing').to.be.above(1);
  });

  it('gives a label, and when asked a confidence, to every pixel', async () => {
    const segmentation = await model.segment(await scene(50, 70).jpeg().toBuffer(), { confidence: true });
    expect(segmentation).to.include({ width: 50, height: 70 });
    expect(segmentation.labels)
      .to.be.instanceOf(Uint8Array)
      .with.length(50 * 70);
    expect(Math.max(...segmentation.labels)).to.be.below(4);
    const confidence = segmentation.confidence as Float32Array;
    expect(confidence).to.have.length(50 * 70);
    expect(Math.min(...confidence)).to.be.at.least(0.25 - 1e-6);
    expect(Math.max(...confidence)).to.be.at.most(1 + 1e-6);
    expect(segmentation.shares().reduce((sum, share) => sum + share)).to.be.closeTo(1, 1e-9);
    expect(segmentation.regions).to.equal(undefined);
  });

  it('gives soft object regions that sum to one', async () => {
    const { regions } = await model.segment(await scene(64, 64).png().toBuffer(), { regions: true });
    if (!regions) throw new Error('no regions');
    expect(regions.data).to.have.length(regions.width * regions.height * 4);
    for (let k = 0; k < 4; k++) {
      const sum = regions.data.reduce((total, value, i) => (i % 4 === k ? total + value : total), 0);
      expect(sum, `region ${k}`).to.be.closeTo(1, 1e-4);
    }
  });

  it('draws overlays and indexed PNGs in the colours of the classes', async () => {
    const segmentation = await model.segment(await scene(40, 30).png().toBuffer());
    const { data } = segmentation.overlay({ alpha: 1 });
    segmentation.labels.forEach((label, i) => {
      expect([...data.subarray(3 * i, 3 * i + 3)]).to.deep.equal(model.classes[label]?.colour);
    });
    const shown = await sharp(await segmentation.labelPng())
      .removeAlpha()
      .raw()
      .toBuffer();
    expect(shown.equals(Buffer.from(data)), 'the PNG shows the same').to.equal(true);
  });

  it('takes every kind of picture', async () => {
    const street = await scene(36, 28).png().toBuffer();
    const pixel = Buffer.from([200, 30, 30]);
    const pictures = {
      'one pixel': await sharp(pixel, { raw: { width: 1, height: 1, channels: 3 } })
        .png()
        .toBuffer(),
      CMYK: await sharp(street).toColourspace('cmyk').jpeg().toBuffer(),
      '16 bits': await sharp(street).toColourspace('rgb16').png().toBuffer(),
      alpha: await sharp(street).ensureAlpha(0.5).png().toBuffer(),
      gray: await sharp(street).toColourspace('b-w').png().toBuffer(),
      rotated: await sharp(street).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    };
    for (const [kind, picture] of Object.entries(pictures)) {
      const { labels, width, height } = await model.segment(picture);
      expect(labels, kind).to.have.length(width * height);
      const size = kind === 'one pixel' ? [1, 1] : kind === 'rotated' ? [28, 36] : [36, 28];
      expect([width, height], kind).to.deep.equal(size);
    }
  });

  it('segments pictures of several sizes at the same time', async () => {
    const pictures = await Promise.all(
      [
        [64, 32],
        [33, 65],
        [64, 32],
        [40, 40],
        [48, 16],
        [24, 56],
        [33, 65],
      ].map(([width, height], seed) =>
        scene(width as number, height as number, seed)
          .png()
          .toBuffer(),
      ),
    );
    const together = await Promise.all(pictures.map((picture) => model.segment(picture)));
    for (const [i, picture] of pictures.entries())
      expect((await model.segment(picture)).labels, `picture ${i}`).to.deep.equal(together[i]?.labels);
  });

  it('has 16-bit labels above 256 classes', async () => {
    await using wide = await loadModel(tinyNetwork(300), quietly);
    const segmentation = await wide.segment(await scene(33, 17).png().toBuffer());
    expect(segmentation.labels).to.be.instanceOf(Uint16Array);
    expect((await sharp(await segmentation.labelPng()).metadata()).depth).to.equal('ushort');
  });
});

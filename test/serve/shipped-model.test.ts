import { readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import type { LabelledImage } from '../../lib/data/dataset.js';
import { sceneDataset } from '../../lib/data/scenes.js';
import { openDevice } from '../../lib/runtime/device.js';
import { defaultModelFile } from '../../lib/serve/default-model.js';
import { loadModel } from '../../lib/serve/load-model.js';

/** A folder with images/val and labels/val. The pictures are not the project's to bring. */
const camvid = process.env.OCRNET_CAMVID;

const shareOfEqual = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
  return equal / a.length;
};

describe('the network that ocrnet brings', function () {
  this.timeout(120_000);
  /** Rendered pictures of the kind that the network saw in training, but none of those. */
  let scenes: readonly LabelledImage[];
  before(async () => {
    const { samples } = await sceneDataset({ valCount: 3, seed: 2, classes: 'camvid' }).split('val');
    scenes = await Promise.all(samples.map((sample) => sample.read()));
  });

  it('is small, and names its classes', async () => {
    expect((await stat(defaultModelFile())).size).to.be.below(16e6);
    await using model = await loadModel(defaultModelFile());
    expect(model.classes.map(({ name }) => name)).to.include.members(['sky', 'road', 'tree', 'car']);
  });

  it('finds what a rendered street shows', async () => {
    await using model = await loadModel(defaultModelFile());
    for (const { image, label } of scenes) {
      const { labels } = await model.segment({ ...image, channels: 3 });
      expect(shareOfEqual(labels, label.labels)).to.be.above(0.85);
    }
  });

  it('gives at least 99 % of its labels in bfloat16 as in float32', async function () {
    await using device = await openDevice();
    if (!device.supports('bfloat16')) this.skip(); // a processor without it refuses such plans
    await using exact = await loadModel(defaultModelFile(), { device });
    await using rounded = await loadModel(defaultModelFile(), { device, precision: 'bfloat16' });
    for (const { image } of scenes) {
      const picture = { ...image, channels: 3 } as const;
      const [a, b] = [await exact.segment(picture), await rounded.segment(picture)];
      expect(shareOfEqual(a.labels, b.labels)).to.be.above(0.99);
    }
  });

  it('segments real streets: validation pictures of CamVid, in the folder OCRNET_CAMVID', async function () {
    if (camvid === undefined) this.skip();
    await using model = await loadModel(defaultModelFile());
    let [equal, pixels] = [0, 0];
    for (const file of readdirSync(join(camvid, 'images/val')).filter((_, i) => i % 10 === 0)) {
      const label = sharp(join(camvid, 'labels/val', file.replace(/\.jpg$/, '.png'))).toColourspace('b-w');
      const truth = await label.raw().toBuffer();
      const { labels } = await model.segment(join(camvid, 'images/val', file));
      labels.forEach((found, i) => {
        if ((truth[i] as number) >= model.classes.length) return;
        pixels++;
        if (truth[i] === found) equal++;
      });
    }
    expect(equal / pixels).to.be.above(0.75);
  });
});

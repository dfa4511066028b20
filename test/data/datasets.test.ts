import { existsSync } from 'node:fs';
import { unlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { checkSplit, readSamples } from '../../lib/data/check-split.js';
import { classWeights, weightsOf } from '../../lib/data/class-weights.js';
import { readSample } from '../../lib/data/dataset.js';
import { openDataset } from '../../lib/data/folder-dataset.js';
import { countLabels } from '../../lib/data/label-counts.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { grayPng, plainPng, writeFiles } from '../support/label-files.js';
import { temporaryFolder } from '../support/temporary-folder.js';

describe('a folder data set', () => {
  const folder = temporaryFolder();
  const open = async (yaml = 'classes: [a, b, c]') => {
    await writeFile(folder.path('dataset.yaml'), yaml);
    return openDataset(folder.root());
  };
  const label = grayPng(Uint8Array.of(0, 1, 2, 0, 255, 0), 3);
  beforeEach(async () => {
    const picture = await plainPng(3, 2);
    await writeFiles(folder.root(), {
      'images/train/b.png': picture,
      'images/train/a.png': picture,
      'labels/train/a.png': label,
      'labels/train/b.png': grayPng(Uint8Array.of(1, 1, 1, 1, 1, 0), 3),
    });
  });

  it('has classes, splits, and samples by name', async () => {
    const dataset = await open('classes: [a, {name: b, colour: [9, 8, 7]}, c]\nmirror: [[a, 2]]');
    expect(dataset.classes).to.deep.equal([
      { name: 'a', colour: [0, 0, 0] },
      { name: 'b', colour: [9, 8, 7] },
      { name: 'c', colour: [0, 128, 0] },
    ]);
    expect([dataset.ignoreLabel, dataset.mirrorPairs]).to.deep.equal([255, [[0, 2]]]);
    expect(await dataset.splitNames()).to.deep.equal(['train']);
    const { samples } = await dataset.split('train');
    expect(samples.map(({ name }) => name)).to.deep.equal(['a', 'b']);
    expect(samples[0]?.imagePath).to.equal(folder.path('images/train/a.png'));
    const { image, label } = await readSample(samples[0] as (typeof samples)[0]);
    expect([image.width, image.height, image.data.length]).to.deep.equal([3, 2, 18]);
    expect([...label.labels]).to.deep.equal([0, 1, 2, 0, 255, 0]);
  });

  it('finds Cityscapes as it is unpacked, in folders of cities', async () => {
    await writeFiles(folder.path('cs'), {
      'leftImg8bit/val/bonn/bonn_1_leftImg8bit.png': await plainPng(3, 1),
      'gtFine/val/bonn/bonn_1_gtFine_labelIds.png': grayPng(Uint8Array.of(7, 0, 33), 3),
      'gtFine/val/bonn/bonn_1_gtFine_color.png': 'not looked at',
    });
    const { samples } = await (await openDataset(folder.path('cs'), { kind: 'cityscapes' })).split('val');
    expect(samples.map(({ name }) => name)).to.deep.equal(['bonn/bonn_1']);
    expect([...((await samples[0]?.readLabel())?.labels ?? [])]).to.deep.equal([0, 255, 18]);
  });

  it('guesses nothing: without dataset.yaml it asks for one, or for a kind', async () => {
    await expectOcrnetError(
      () => openDataset(folder.root()),
      'FILE_NOT_FOUND',
      'dataset.yaml',
      'classes:',
      'extends',
      'camvid',
    );
    expect((await openDataset(folder.root(), { kind: 'camvid' })).classes).to.have.length(11);
    await expectOcrnetError(
      () => openDataset(folder.root(), { kind: 'cam' }),
      'INVALID_ARGUMENT',
      'kind',
      'lip',
    );
    await open();
    await expectOcrnetError(
      () => openDataset(folder.root(), { kind: 'camvid' }),
      'INVALID_ARGUMENT',
      'extends: camvid',
    );
    await expectOcrnetError(() => openDataset(folder.path('none')), 'FILE_NOT_FOUND', 'none');
    await expectOcrnetError(() => open('classes: [a'), 'INVALID_DATA', 'not YAML', 'line 1');
    await expectOcrnetError(() => open('classes: *a'), 'INVALID_DATA', 'not YAML', 'alias');
  });

  it('says what its files lack', async () => {
    const refuse = async (code: 'INVALID_DATA' | 'FILE_NOT_FOUND', ...texts: string[]) => {
      const dataset = await open();
      await expectOcrnetError(() => dataset.split('train'), code, ...texts);
    };
    const dataset = await open();
    await expectOcrnetError(() => dataset.split('test'), 'FILE_NOT_FOUND', 'one of train', '"test"');
    await writeFiles(folder.root(), { 'labels/train/c.png': label });
    await refuse('INVALID_DATA', 'no file with a picture for', 'labels/train/c.png', 'images/train/c.jpg');
    await writeFiles(folder.root(), { 'images/train/c.jpg': 'x', 'images/train/d.jpg': 'x' });
    await refuse('INVALID_DATA', 'no file with labels for', 'images/train/d.jpg', 'labels/train/d.png');
    await writeFiles(folder.root(), { 'images/train/c.png': 'x' });
    await refuse('INVALID_DATA', 'sample c', 'c.jpg', 'c.png');
    await writeFiles(folder.root(), { 'images/empty/notes.txt': 'x', 'labels/empty/notes.txt': 'x' });
    await expectOcrnetError(() => dataset.split('empty'), 'INVALID_DATA', 'images/empty is empty');
    await writeFiles(folder.root(), { 'images/bare/a.png': 'x' });
    await expectOcrnetError(() => dataset.split('bare'), 'FILE_NOT_FOUND', 'labels/bare');
  });

  it('is checked whole: pictures, sizes, values', async () => {
    const check = async () => checkSplit(await (await open()).split('train'));
    const progress: string[] = [];
    const split = await (await open()).split('train');
    const report = await checkSplit(split, {
      onProgress: (done, total) => progress.push(`${done}/${total}`),
    });
    expect(progress).to.deep.equal(['1/2', '2/2']);
    expect(report).to.deep.include({
      samples: 2,
      width: { min: 3, max: 3 },
      height: { min: 2, max: 2 },
    });
    expect([...report.counts.pixels, report.counts.ignored]).to.deep.equal([4, 6, 1, 1]);

    await writeFile(folder.path('labels/train/b.png'), grayPng(Uint8Array.of(1, 1, 1, 1, 1, 3), 3));
    await expectOcrnetError(check, 'INVALID_DATA', 'labels/train/b.png', 'received 3, first at x 2, y 1');
    await writeFile(folder.path('labels/train/b.png'), grayPng(Uint8Array.of(1, 1, 1, 1, 1, 0), 2));
    await expectOcrnetError(check, 'INVALID_DATA', 'labels/train/b.png', 'expected 3×2', 'received 2×3');
    await writeFile(folder.path('labels/train/b.png'), 'no picture');
    await expectOcrnetError(check, 'INVALID_DATA', 'labels/train/b.png');
    await writeFile(folder.path('images/train/a.png'), 'no picture');
    await expectOcrnetError(check, 'UNSUPPORTED_IMAGE', 'images/train/a.png');
    await unlink(folder.path('images/train/a.png'));
    await expectOcrnetError(() => checkSplit(split), 'FILE_NOT_FOUND', 'images/train/a.png');
    await expectOcrnetError(() => checkSplit(split, { signal: AbortSignal.abort() }), 'ABORTED');
  });

  it('is read in order', async () => {
    const names: string[] = [];
    for await (const { sample } of readSamples(await (await open()).split('train'))) names.push(sample.name);
    expect(names).to.deep.equal(['a', 'b']);
  });

  it('gives class weights by the formulas that are documented', async () => {
    const split = await (await open('classes: [a, b, c, d]')).split('train');
    const counts = await countLabels(split);
    expect([...counts.pixels]).to.deep.equal([4, 6, 1, 0]);
    // 5 labelled pixels in the first picture, 6 in the second; c is in the first only.
    expect([...counts.pixelsWherePresent]).to.deep.equal([11, 11, 5, 0]);
    const raw = [4, 6, 1].map((count) => 1 / Math.log(1.1 + count / 11));
    const mean = ((raw[0] as number) + (raw[1] as number) + (raw[2] as number)) / 3;
    const close = (weights: Float32Array, expected: readonly number[]) =>
      expected.forEach((value, k) => {
        expect(weights[k]).to.be.closeTo(value, 1e-6);
      });
    close(await classWeights(split), [...raw.map((value) => value / mean), 1]);
    const [a, b, c] = [4 / 11, 6 / 11, 1 / 5];
    close(await classWeights(split, { method: 'median-frequency' }), [1, a / b, a / c, 1]);
    close(weightsOf(counts, 'none'), [1, 1, 1, 1]);
    await expectOcrnetError(
      () => classWeights(split, { method: 'log' as 'none' }),
      'INVALID_ARGUMENT',
      'inverse-log',
    );
  });
});

describe('CamVid', () => {
  const folder =
    process.env.OCRNET_CAMVID ?? fileURLToPath(new URL('../../../shared/data/camvid', import.meta.url));

  it('is read and checked, from the folder OCRNET_CAMVID or ../shared/data/camvid', async function () {
    if (!existsSync(folder)) {
      console.log(`      skipped: ${folder} does not exist`);
      this.skip(); // the pictures are not the project's to bring
    }
    const split = await (await openDataset(folder, { kind: 'camvid' })).split('val');
    const { samples, counts, width, height } = await checkSplit(split);
    expect([samples, width.min, width.max, height.min, height.max]).to.deep.equal([101, 480, 480, 360, 360]);
    const labelled = counts.pixels.reduce((sum, count) => sum + count, 0);
    expect(labelled + counts.ignored).to.equal(101 * 480 * 360);
    // Road and building cover most of a street, and every class occurs.
    expect(Math.min(...counts.pixels)).to.be.above(0);
    expect((counts.pixels[3] as number) / labelled).to.be.within(0.2, 0.4);
  });
});

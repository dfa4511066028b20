import { readdir } from 'node:fs/promises';
import { expect } from 'chai';
import { checkSplit } from '../../lib/data/check-split.js';
import type { Dataset, Split } from '../../lib/data/dataset.js';
import { openDataset } from '../../lib/data/folder-dataset.js';
import { sceneDataset } from '../../lib/data/scenes.js';
import { writeDataset } from '../../lib/data/write-dataset.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const small = { count: 4, valCount: 2, width: 48, height: 32 };
const readAll = ({ samples }: Split) => Promise.all(samples.map((sample) => sample.read()));

describe('rendered streets', () => {
  const folder = temporaryFolder();

  it('are the same for the same seed, and all different', async () => {
    const pictures = async (seed: number, split: string) =>
      (await readAll(await sceneDataset({ ...small, seed }).split(split))).map(({ image }) =>
        image.data.join(),
      );
    const train = await pictures(1, 'train');
    expect(await pictures(1, 'train')).to.deep.equal(train);
    const all = [...train, ...(await pictures(1, 'val')), ...(await pictures(2, 'train'))];
    expect(all).to.have.length(10);
    expect(new Set(all).size).to.equal(10);
  });

  it("have Cityscapes' classes, or CamVid's", async () => {
    const [a, b] = await Promise.all(
      (['cityscapes', 'camvid'] as const).map(async (classes) => {
        const split = await sceneDataset({ ...small, classes }).split('train');
        return { split, pixels: (await checkSplit(split)).counts.pixels };
      }),
    );
    const of = (found: typeof a, name: string) =>
      found?.pixels[found.split.classes.findIndex((info) => info.name === name)] as number;
    expect([a?.pixels.length, b?.pixels.length]).to.deep.equal([19, 11]);
    expect(of(a, 'road')).to.be.above(0);
    expect(of(a, 'road')).to.equal(of(b, 'road'));
    expect(of(a, 'vegetation') + of(a, 'terrain')).to.equal(of(b, 'tree'));
  });

  it('are written as a folder that reads back the same', async () => {
    const dataset = sceneDataset({ ...small, classes: 'camvid' });
    const progress: string[] = [];
    await writeDataset(dataset, folder.path('scenes'), {
      onProgress: (done, total) => progress.push(`${done}/${total}`),
    });
    expect(progress.at(-1)).to.equal('6/6');
    expect(await readdir(folder.path('scenes'))).to.have.members(['dataset.yaml', 'images', 'labels']);
    const read = await openDataset(folder.path('scenes'));
    expect(read.classes).to.deep.equal(dataset.classes);
    for (const name of ['train', 'val']) await expectSame(await read.split(name), await dataset.split(name));
  });

  it('of more than 255 classes, ignored pixels and mirror pairs are written too', async () => {
    const label = { labels: Uint16Array.of(0, 299, 65535, 7), width: 2, height: 2 };
    const image = { data: new Uint8Array(12).fill(9), width: 2, height: 2 };
    const colour: [number, number, number] = [1, 2, 3];
    const meaning = {
      classes: Array.from({ length: 300 }, (_, k) => ({ name: `part ${k}`, colour })),
      ignoreLabel: 65535,
      mirrorPairs: [[7, 299]] as const,
    };
    const sample = { name: 'x', read: async () => ({ image, label }), readLabel: async () => label };
    const dataset: Dataset = {
      ...meaning,
      name: 'parts',
      splitNames: async () => ['train'],
      split: async () => ({ ...meaning, name: 'train', samples: [sample] }),
    };
    await writeDataset(dataset, folder.path('parts'));
    const read = await openDataset(folder.path('parts'));
    expect(read.mirrorPairs).to.deep.equal([[7, 299]]);
    await expectSame(await read.split('train'), await dataset.split('train'));
  });

  it('refuse options that make no sense, and splits that are none', async () => {
    for (const [name, value] of [
      ['count', 0],
      ['width', 1.5],
      ['seed', -1],
      ['classes', 'lip'],
    ] as const)
      await expectOcrnetError(() => sceneDataset({ ...small, [name]: value }), 'INVALID_ARGUMENT', name);
    await expectOcrnetError(() => sceneDataset(small).split('test'), 'FILE_NOT_FOUND', 'train, val', 'test');
  });
});

async function expectSame(a: Split, b: Split): Promise<void> {
  expect(a.samples.map(({ name }) => name)).to.deep.equal(b.samples.map(({ name }) => name));
  const [left, right] = [await readAll(a), await readAll(b)];
  left.forEach((sample, i) => {
    expect([...sample.image.data]).to.deep.equal([...(right[i]?.image.data ?? [])]);
    expect([...sample.label.labels]).to.deep.equal([...(right[i]?.label.labels ?? [])]);
  });
}

import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type DatasetDescription, interpret, parseDescription } from '../../lib/data/description.js';
import { labelTable } from '../../lib/data/label-values.js';
import { readLabelPng } from '../../lib/data/read-label.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { grayPng, rawPng } from '../support/label-files.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const tableOf = (description: DatasetDescription) => labelTable(interpret(description, 'test'));
const numbered = (count: number) => Array.from({ length: count }, (_, k) => `class ${k}`);
const meaning = (description: unknown) =>
  interpret(parseDescription(description, 'dataset.yaml'), 'dataset.yaml');

describe('label files', () => {
  const folder = temporaryFolder();
  const read = async (png: Uint8Array, description: DatasetDescription) => {
    const path = folder.path('label.png');
    await writeFile(path, png);
    return readLabelPng(path, tableOf(description));
  };

  it('keep palette indices, whatever the palette shows', async () => {
    const indices = Uint8Array.of(3, 0, 255, 1, 2, 3);
    const palette = Array.from({ length: 768 }, () => 77);
    const png = rawPng({ width: 3, height: 2, depth: 8, type: 3 }, indices, palette);
    const { labels, width, height } = await read(png, { classes: numbered(4) });
    expect([width, height, ...labels]).to.deep.equal([3, 2, 3, 0, 255, 1, 2, 3]);
  });

  it('are read from 1, 2 and 4 bits, with rows that end inside a byte', async () => {
    for (const type of [0, 3])
      for (const [depth, rows, expected] of [
        [1, [0b10110000, 0b01000000], [1, 0, 1, 1, 0, 0, 1, 0, 0, 0]],
        [2, [0b11100100, 0b01000000, 0b00011011, 0b11000000], [3, 2, 1, 0, 1, 0, 1, 2, 3, 3]],
        [4, [0x12, 0x30, 0x10, 0x01, 0x23, 0x20], [1, 2, 3, 0, 1, 0, 1, 2, 3, 2]],
      ] as const) {
        const palette = type === 3 ? Array.from({ length: 3 * 2 ** depth }, (_, i) => i) : undefined;
        const png = rawPng({ width: 5, height: 2, depth, type }, Uint8Array.from(rows), palette);
        expect([...(await read(png, { classes: numbered(4) })).labels]).to.deep.equal(expected);
      }
  });

  it('are read from 16 bits, and become words from 256 classes on', async () => {
    const rows = Uint8Array.of(0, 1, 1, 43, 255, 255, 0, 0);
    const png = rawPng({ width: 2, height: 2, depth: 16, type: 0 }, rows);
    const many = await read(png, { classes: numbered(300), ignore: 65535 });
    expect(many.labels).to.be.instanceOf(Uint16Array);
    expect([...many.labels]).to.deep.equal([1, 299, 65535, 0]);
    const few = await read(png, { classes: numbered(2), mapping: { 0: 0, 1: 1, 299: 1 }, ignore: 65535 });
    expect(few.labels).to.be.instanceOf(Uint8Array);
    expect([...few.labels]).to.deep.equal([1, 1, 255, 0]);
  });

  it('in RGB are read by the colours of classes', async () => {
    const classes = [
      { name: 'a', colour: [1, 2, 3] as [number, number, number] },
      { name: 'b', colour: [200, 0, 0] as [number, number, number] },
    ];
    const png = rawPng(
      { width: 3, height: 1, depth: 8, type: 2 },
      Uint8Array.of(200, 0, 0, 1, 2, 3, 0, 0, 0),
    );
    const { labels } = await read(png, { classes, ignoreColours: [[0, 0, 0]] });
    expect([...labels]).to.deep.equal([1, 0, 255]);
    await expectOcrnetError(
      () => read(png, { classes }),
      'INVALID_DATA',
      'label.png',
      '[0, 0, 0], first at x 2, y 0, in 1 pixel',
    );
    const twins = classes.map(({ name }) => ({ name, colour: [1, 2, 3] as [number, number, number] }));
    await expectOcrnetError(() => read(png, { classes: twins }), 'INVALID_DATA', '[1, 2, 3] for a and b');
    const alpha = rawPng({ width: 1, height: 1, depth: 8, type: 6 }, Uint8Array.of(1, 2, 3, 254));
    await expectOcrnetError(() => read(alpha, { classes }), 'INVALID_DATA', 'alpha below 255 at x 0, y 0');
  });

  it('with a value that is no label say which, where first and how often', async () => {
    const png = grayPng(Uint8Array.of(0, 1, 7, 0, 9, 7, 11, 255), 4);
    await expectOcrnetError(
      () => read(png, { classes: numbered(2), ignore: [11, 255] }),
      'INVALID_DATA',
      'label.png',
      'expected 0 to 1 (classes), 11, 255 (ignored)',
      'received 7, first at x 2, y 0, in 2 pixels; other such values in 1 pixel',
    );
  });

  it('that are damaged or no labels are refused', async () => {
    const png = grayPng(new Uint8Array(400), 20);
    const flipped = Buffer.from(png);
    flipped[45] = (flipped[45] as number) ^ 1;
    for (const bytes of [png.subarray(0, png.length - 20), flipped, Buffer.from('text'), Buffer.alloc(0)])
      await expectOcrnetError(() => read(bytes, { classes: numbered(2) }), 'INVALID_DATA', 'label.png');
    const grayAlpha = rawPng({ width: 1, height: 1, depth: 8, type: 4 }, Uint8Array.of(1, 255));
    await expectOcrnetError(
      () => read(grayAlpha, { classes: numbered(2) }),
      'INVALID_DATA',
      '2 channels of 8 bits',
    );
    const interlaced = rawPng({ width: 1, height: 1, depth: 4, type: 0, interlace: 1 }, Uint8Array.of(0));
    await expectOcrnetError(() => read(interlaced, { classes: numbered(2) }), 'INVALID_DATA', 'interlaced');
    await expectOcrnetError(
      () => readLabelPng(folder.path('none.png'), tableOf({ classes: numbered(2) })),
      'FILE_NOT_FOUND',
      'none.png',
    );
  });
});

describe('a description of a data set', () => {
  it('names the key that is wrong', async () => {
    const refuse = (value: unknown, ...texts: (string | RegExp)[]) =>
      expectOcrnetError(() => meaning(value), 'INVALID_DATA', 'dataset.yaml', ...texts);
    const classes = ['a', 'b'];
    await refuse({}, 'extends');
    await refuse({ classes, ignored: 3 }, 'ignored');
    await refuse({ classes: [{ name: 'a', colour: [1, 2] }] }, 'classes.0');
    await refuse({ classes: ['a', 'a'] }, 'a twice');
    await refuse({ classes, mirror: [['a', 'c']] }, 'mirror', '0 to 1', 'c');
    await refuse({ classes, mirror: [['a', 'a']] }, 'mirror', 'a');
    await refuse({ classes, mapping: { 4: 2 } }, 'mapping.4', 'received 2');
    await refuse({ classes, mapping: { x: 'a' } }, 'mapping.x');
    await refuse({ classes, mapping: { 1: 'a' }, firstLabel: 1 }, 'firstLabel');
    await refuse({ classes, ignore: 1 }, 'ignore: 1 is a class', 'b');
    await refuse({ extends: 'camvit' }, 'extends', 'camvid', 'camvit');
    await refuse('text', /expected object/i);
  });

  it('extends a known data set', () => {
    const known = meaning({ extends: 'camvid', mirror: [['car', 9]] });
    expect(known.classes).to.have.length(11);
    expect(known.mirrorPairs).to.deep.equal([[8, 9]]);
    const trainIds = meaning({ extends: 'cityscapes', firstLabel: 0, unlisted: 'error' });
    expect(trainIds.classOfValue.get(18)).to.equal(18);
    expect(trainIds.classOfValue.has(33)).to.equal(false);
  });

  it('of Cityscapes, ADE20K, PASCAL-Context, COCO-Stuff and LIP maps the labels of their files', () => {
    const labelsOf = (name: string, values: readonly number[]) => [
      ...tableOf({ extends: name }).fromValues(values, values.length, name),
    ];
    expect(labelsOf('cityscapes', [7, 8, 11, 33, 0, 9, 29])).to.deep.equal([0, 1, 2, 18, 255, 255, 255]);
    expect(labelsOf('ade20k', [0, 1, 150])).to.deep.equal([255, 0, 149]);
    expect(labelsOf('pascal-context', [0, 1, 59])).to.deep.equal([255, 0, 58]);
    expect(labelsOf('coco-stuff', [0, 1, 11, 12, 13, 182])).to.deep.equal([255, 0, 10, 255, 11, 170]);
    expect(labelsOf('lip', [0, 19, 255])).to.deep.equal([0, 19, 255]);
    expect(meaning({ extends: 'lip' }).mirrorPairs).to.deep.equal([
      [14, 15],
      [16, 17],
      [18, 19],
    ]);
  });
});

import { mkdir, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { encodeLabelPng } from '../../lib/image/label-png.js';
import { vocPalette } from '../../lib/image/palette.js';
import { ocrnet } from '../support/command-line.js';
import { scene } from '../support/pictures.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { saveTinyNetwork } from '../support/tiny-network.js';

const [width, height] = [64, 40];
/** A folder with images/val and labels/val. The pictures are not the project's to bring. */
const camvid = process.env.OCRNET_CAMVID;

describe('ocrnet evaluate', () => {
  const folder = temporaryFolder();
  let network: string[] = [];
  const evaluate = (...args: string[]) =>
    ocrnet(['evaluate', ...network, '--data', folder.path('data'), ...args]);

  beforeEach(async () => {
    network = ['--model', await saveTinyNetwork(3, folder.path('tiny.safetensors'))];
    for (const kind of ['images', 'labels'])
      await mkdir(folder.path(`data/${kind}/val`), { recursive: true });
    await writeFile(folder.path('data/dataset.yaml'), 'classes: [road, sky, car]\nignore: 255\n');
    for (const name of ['a', 'b']) {
      await scene(width, height)
        .png()
        .toFile(folder.path(`data/images/val/${name}.png`));
      const labels = Uint8Array.from({ length: width * height }, (_, i) => (i < width ? 255 : i % 2));
      const png = await encodeLabelPng({ labels, width, height }, vocPalette(256));
      await writeFile(folder.path(`data/labels/val/${name}.png`), png);
    }
  });

  it('prints one JSON document with --json', async () => {
    const { code, stdout, stderr } = await evaluate('--json');
    expect(code, stderr).to.equal(0);
    const report = JSON.parse(stdout);
    expect(report).to.have.all.keys(
      'miou',
      'pixelAccuracy',
      'meanAccuracy',
      'perClass',
      'pictures',
      'elapsedMs',
      'confusion',
    );
    expect(report.pictures).to.equal(2);
    const pixels = 2 * (height - 1) * width;
    expect(
      report.perClass.map((one: { name: string; pixels: number }) => [one.name, one.pixels]),
    ).to.deep.equal([
      ['road', pixels / 2],
      ['sky', pixels / 2],
      ['car', 0],
    ]);
    const right = report.confusion[0][0] + report.confusion[1][1];
    expect(report.pixelAccuracy).to.equal(right / pixels);
    expect(report.confusion.flat().reduce((sum: number, count: number) => sum + count)).to.equal(pixels);
  });

  it('prints a table by class and the means', async () => {
    const { code, stdout, stderr } = await evaluate('--flip', '--scales', '0.5,1', '--window', '32x48');
    expect(code, stderr).to.equal(0);
    for (const pattern of [
      /road.* %/,
      /sky.* %/,
      /mIoU +\d+\.\d %/,
      /pixel accuracy +\d+\.\d %/,
      /2 pictures/,
    ])
      expect(stdout).to.match(pattern);
    expect(stderr).to.equal('');
  });

  it('counts absent classes as it is told', async () => {
    const miou = async (absent: string) =>
      JSON.parse((await evaluate('--absent', absent, '--json')).stdout).miou;
    const { perClass } = JSON.parse((await evaluate('--json')).stdout);
    const present = perClass.filter(({ iou }: { iou: number | null }) => iou !== null).length;
    expect(await miou('zero')).to.be.closeTo(((await miou('mean')) * present) / 3, 1e-12);
  });

  it('says what does not fit', async () => {
    await writeFile(folder.path('data/dataset.yaml'), 'classes: [road, sky]\nignore: 255\n');
    const few = await evaluate();
    expect(few.code).to.equal(2);
    expect(few.stderr).to.match(
      /does not fit the data: expected 2 classes.* received 3 \[INVALID_ARGUMENT\]$/,
    );
    const absent = await evaluate('--split', 'test');
    expect(absent.code).to.equal(1);
    expect(absent.stderr).to.match(/test.*\[FILE_NOT_FOUND\]$/);
  });

  it('ends with 130 when it is interrupted', async () => {
    const { code, stdout } = await ocrnet(
      ['evaluate', ...network, '--data', folder.path('data')],
      AbortSignal.abort(),
    );
    expect([code, stdout]).to.deep.equal([130, '']);
  });

  it('finds what models/README.md says of the network that ocrnet brings: CamVid, in the folder OCRNET_CAMVID', async function () {
    if (camvid === undefined) this.skip(); // the pictures are not the project's to bring
    this.timeout(120_000);
    const { code, stdout, stderr } = await ocrnet([
      'evaluate',
      '--data',
      camvid,
      '--dataset',
      'camvid',
      '--json',
    ]);
    expect(code, stderr).to.equal(0);
    const { miou, pixelAccuracy } = JSON.parse(stdout);
    expect(miou).to.be.closeTo(0.5976, 0.001);
    expect(pixelAccuracy).to.be.closeTo(0.8885, 0.001);
  });
});

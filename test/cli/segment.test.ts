import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { decode } from 'fast-png';
import sharp from 'sharp';
import { ocrnet } from '../support/command-line.js';
import { scene } from '../support/pictures.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { saveTinyNetwork } from '../support/tiny-network.js';

describe('ocrnet segment', () => {
  const folder = temporaryFolder();
  let network: string[] = [];
  const segment = (...args: string[]) =>
    ocrnet(['segment', ...network, '--out', folder.path('out'), ...args]);
  beforeEach(async () => {
    network = ['--model', await saveTinyNetwork(3, folder.path('tiny.safetensors'))];
  });

  it('writes labels and an overlay and prints what it found', async () => {
    await scene(65, 33).png().toFile(folder.path('street.png'));
    const { code, stdout, stderr } = await segment(folder.path('street.png'));
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/street\.png: 65x33, network [\d.]+ m?s, in all [\d.]+ m?s/);
    expect(stdout).to.match(/class \d \d+\.\d %/);
    expect(stderr).to.equal('');
    expect(await readdir(folder.path('out'))).to.have.members(['street.labels.png', 'street.overlay.jpg']);
    const labels = decode(await readFile(folder.path('out/street.labels.png')));
    expect([labels.width, labels.height, labels.palette?.length]).to.deep.equal([65, 33, 3]);
    const overlay = await sharp(folder.path('out/street.overlay.jpg')).metadata();
    expect([overlay.format, overlay.width, overlay.height]).to.deep.equal(['jpeg', 65, 33]);
  });

  it('prints one JSON document with --json, and writes regions and confidence when asked', async () => {
    await scene(64, 40).jpeg().toFile(folder.path('a.jpg'));
    await scene(48, 64, 2).webp().toFile(folder.path('b.webp'));
    const images = [folder.path('a.jpg'), folder.path('b.webp')];
    const { code, stdout, stderr } = await segment(...images, '--json', '--regions', '--confidence');
    expect(code, stderr).to.equal(0);
    const reports = JSON.parse(stdout);
    expect(reports.map(({ image }: { image: string }) => image)).to.deep.equal(images);
    const [report] = reports;
    expect(report).to.include({ width: 64, height: 40 });
    expect(report.networkMs).to.be.above(0);
    expect(report.totalMs).to.be.above(report.networkMs);
    const shares = Object.values<number>(report.shares);
    expect(shares.reduce((sum, share) => sum + share, 0)).to.be.closeTo(1, 1e-9);
    expect(shares).to.deep.equal([...shares].sort((x, y) => y - x));
    expect(report.files.map((file: string) => file.slice(folder.path('out/').length))).to.have.members([
      'a.labels.png',
      'a.overlay.jpg',
      'a.confidence.png',
      'a.region-0-class-0.png',
      'a.region-1-class-1.png',
      'a.region-2-class-2.png',
    ]);
    for (const file of report.files) expect((await sharp(file).metadata()).width).to.be.above(0);
    const region = await sharp(folder.path('out/a.region-1-class-1.png')).stats();
    expect(region.channels[0]?.max, 'the maximum is white').to.equal(255);
    const confidence = await sharp(folder.path('out/a.confidence.png')).toColourspace('b-w').stats();
    expect(confidence.channels[0]?.min, 'the likeliest of three has a third').to.be.at.least(84);
  });

  it('reports a picture that fails and goes on with the others', async () => {
    await scene(32, 32).png().toFile(folder.path('good.png'));
    await writeFile(folder.path('text.png'), 'not a picture');
    const images = ['text.png', 'good.png', 'absent.png'].map(folder.path);
    const { code, stdout, stderr } = await segment(...images, '--json');
    expect(code).to.equal(1);
    expect(JSON.parse(stdout)).to.have.length(1);
    expect(stderr).to.match(/^ocrnet: .*text\.png.*\[UNSUPPORTED_IMAGE\]$/m);
    expect(stderr).to.match(/^ocrnet: .*absent\.png.*\[FILE_NOT_FOUND\]$/m);
    expect(await readdir(folder.path('out'))).to.have.members(['good.labels.png', 'good.overlay.jpg']);
  });

  it('warns once that the weights of a name alone are random', async () => {
    const images = [16, 17].map((size) => folder.path(`${size}.png`));
    for (const image of images) await scene(16, 16).png().toFile(image);
    const { code, stderr } = await ocrnet([
      'segment',
      '--model',
      'resnet18',
      '--out',
      folder.path('out'),
      ...images,
    ]);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/^ocrnet: warning: resnet18 has random weights.*$/);
  });

  it('refuses pictures whose results would overwrite each other, before it computes', async () => {
    await mkdir(folder.path('other'));
    const { code, stderr } = await segment(folder.path('x.jpg'), folder.path('other/X.png'));
    expect(code).to.equal(2);
    expect(stderr).to.match(/x\.jpg.*X\.png.*\[INVALID_ARGUMENT\]$/i);
  });

  it('refuses an output folder that cannot be', async () => {
    await writeFile(folder.path('file'), '');
    const { code, stderr } = await ocrnet(['segment', ...network, '--out', folder.path('file'), 'x.png']);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^ocrnet: .*\[FILE_NOT_WRITTEN\]$/);
  });

  it('refuses regions of a network that has none', async () => {
    const { code, stderr } = await ocrnet([
      'segment',
      '--model',
      'resnet18',
      '--regions',
      '--out',
      folder.path('out'),
      folder.path('x.png'),
    ]);
    expect(code).to.equal(2);
    expect(stderr).to.include('--regions');
  });

  it('ends with 130 when it is interrupted, and leaves nothing half-written', async () => {
    await scene(32, 32).png().toFile(folder.path('street.png'));
    const args = ['segment', ...network, '--out', folder.path('out'), folder.path('street.png')];
    const { code, stderr } = await ocrnet(args, AbortSignal.abort());
    expect(code).to.equal(130);
    expect(stderr).to.match(/\[ABORTED\]$/);
    expect(await readdir(folder.path('out'))).to.deep.equal([]);
  });
});

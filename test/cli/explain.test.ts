import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { ocrnet } from '../support/command-line.js';
import { scene } from '../support/pictures.js';
import { saveTinyNetwork } from '../support/tiny-network.js';

describe('ocrnet explain', () => {
  let folder: string;
  let model: string;
  let picture: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ocrnet-explain-'));
    model = await saveTinyNetwork(11, join(folder, 'tiny.safetensors'));
    picture = join(folder, 'street.png');
    await scene(80, 60).png().toFile(picture);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('writes a page and a picture of each region, and says what it found', async () => {
    const out = join(folder, 'all');
    const { code, stdout, stderr } = await ocrnet([
      ...['explain', picture, '--model', model, '--out', out, '--json', '--pixel', '79,3'],
    ]);
    expect(code, stderr).to.equal(0);
    const said = JSON.parse(stdout);
    expect(said).to.have.all.keys(
      ...['image', 'width', 'height', 'networkMs', 'changedShare', 'pixel', 'page', 'files'],
    );
    expect(said.pixel).to.include({ x: 79, y: 3 });
    const shares = Object.values(said.pixel.relation as Record<string, number>);
    expect(shares).to.have.length(11);
    expect(shares).to.deep.equal([...shares].sort((a, b) => b - a));
    expect(readdirSync(out).map((file) => join(out, file))).to.have.members([...said.files, said.page]);
    expect(said.files).to.have.length(5 + 11);
    for (const file of said.files as string[])
      if (file.endsWith('.png')) {
        const { width, height, format } = await sharp(file).metadata();
        expect([width, height, format], file).to.deep.equal([80, 60, 'png']);
      }
    const svg = await sharp(join(out, 'street.relation.svg')).metadata();
    expect(svg).to.include({ format: 'svg', width: 420 });
    const page = readFileSync(said.page, 'utf8');
    for (const text of ['With context and without', 'The pixel at 79, 3', 'Soft object regions', 'bicyclist'])
      expect(page).to.include(text);
    expect(
      [...page.matchAll(/<img /g)],
      'picture, two predictions, changes, context, regions',
    ).to.have.length(4 + 1 + 11);
    expect(page.replaceAll(/base64,[^"]*/g, '')).not.to.match(/https?:|<script|undefined|NaN/);
  });

  it('shows the classes that are named', async () => {
    const out = join(folder, 'some');
    const { code, stdout, stderr } = await ocrnet([
      ...['explain', picture, '--model', model, '--out', out, '--class', 'car', 'sign symbol'],
    ]);
    expect(code, stderr).to.equal(0);
    expect(stdout)
      .to.match(/context changes [\d.]+ % of the pixels/)
      .and.match(/7 pictures$/);
    const regions = readdirSync(out).filter((file) => file.includes('region-'));
    expect(regions).to.have.members(['street.region-06-sign-symbol.png', 'street.region-08-car.png']);
  });

  it('says what it cannot explain', async () => {
    const fails = async (args: readonly string[], code: number, message: RegExp) => {
      const result = await ocrnet(['explain', picture, '--out', join(folder, 'none'), ...args]);
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr.split('\n').at(-1)).to.match(message);
    };
    await fails(
      ['--model', model, '--class', 'biulding'],
      2,
      /--class: expected a class.*did you mean building/,
    );
    await fails(['--model', model, '--pixel', '80,0'], 2, /pixel: expected x from 0 to 79.*received "80,0"/);
    await fails(['--model', model, '--pixel', '8'], 2, /--pixel.*as in 120,80/);
    await fails(['--model', 'resnet18'], 2, /no object regions to explain it by.*ocrnet-….*received none/);
    expect(readdirSync(folder)).not.to.include('none');
  });
});

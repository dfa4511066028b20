import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { ablationMarkdown, ablationNames, runAblation } from '../../lib/train/ablation.js';
import { loadRecipe } from '../../lib/train/recipe.js';
import { expectOcrnetError } from '../support/expect-error.js';

describe('ablations of the paper’s tables', function () {
  this.timeout(120_000);
  let folder: string;
  let device: Device;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ocrnet-ablation-'));
    device = await openDevice();
    writeFileSync(join(folder, 'tiny.yaml'), stringify(tiny));
  });
  after(async () => {
    await device.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Two steps on two rendered streets; the network of `scenes`, narrower still. */
  const tiny = {
    extends: 'scenes',
    model: {
      backbone: {
        kind: 'hrnet',
        stage1: { blocks: 1, channels: 8 },
        stage2: { modules: 1, blocks: 1, channels: [8, 8] },
        stage3: { modules: 1, blocks: 1, channels: [8, 8, 8] },
        stage4: { modules: 1, blocks: 1, channels: [8, 8, 8, 8] },
      },
      context: { channels: 16, keyChannels: 8 },
    },
    data: { scenes: { count: 2, valCount: 1, width: 48, height: 32, seed: 1, classes: 'camvid' } },
    crop: { height: 32, width: 32 },
    batch: 2,
    steps: 1,
  };
  /** MobileNetV2 is what Table 8 is about, but need not be that wide. */
  const narrow = ['backbone={ kind: mobilenet-v2, widthMultiplier: 0.1, outputStride: 16 }'];
  const options = (out: string) => ({ folder: join(folder, out), recipe: join(folder, 'tiny.yaml'), device });

  for (const name of ablationNames())
    it(`${name} runs`, async () => {
      const table = await runAblation(name, {
        ...options(name),
        seeds: [7],
        ...(name === 'table-8' && { set: narrow }),
      });
      expect(table).to.include({ table: name, steps: 1 });
      expect(table.rows.length).to.be.at.least(2);
      for (const { miou, mean, deviation } of table.rows) {
        expect(miou).to.have.length(1);
        expect(mean).to.be.within(0, 1);
        expect(deviation).to.equal(0);
      }
      for (const { pictureMs } of table.rows)
        if (name === 'table-8') expect(pictureMs).to.be.above(0);
        else expect(pictureMs).to.equal(undefined);
      const markdown = await readFile(join(folder, name, 'table.md'), 'utf8');
      expect(markdown).to.equal(ablationMarkdown(table));
      expect(JSON.parse(await readFile(join(folder, name, 'table.json'), 'utf8'))).to.deep.equal(table);
    });

  it('train every row from every seed, and write means and spreads beside the paper', async () => {
    const table = await runAblation('figure-1', { ...options('figure-1'), seeds: [7, 8] });
    expect(table.rows.map(({ label }) => label)).to.deep.equal(['baseline', 'OCR', 'ground-truth OCR']);
    for (const { miou, mean, deviation } of table.rows) {
      const [a, b] = miou as [number, number];
      expect(mean).to.be.closeTo((a + b) / 2, 1e-12);
      expect(deviation).to.be.closeTo(Math.abs(a - b) / Math.SQRT2, 1e-12);
    }
    const markdown = ablationMarkdown(table);
    expect(markdown).to.match(/\| ground-truth OCR \| .* \| 88\.8 \| 54\.3 \| 63\.7 \| 46\.1 \|/);
  });

  it('do not repeat trainings that are done, nor mix those of two budgets', async () => {
    const events: string[] = [];
    const again = { ...options('figure-1'), seeds: [7], onEvent: () => events.push('event') };
    await runAblation('figure-1', again);
    expect(events).to.deep.equal([]);
    await expectOcrnetError(
      () => runAblation('figure-1', { ...again, set: ['steps=2'] }),
      'INVALID_ARGUMENT',
      'was trained with another recipe: steps: expected 1 as before, or another folder, received 2',
    );
  });

  it('take the small network unless told', () => {
    const { name, data, steps, evaluation, ...ablation } = loadRecipe('ablation');
    const { name: _, data: __, steps: ___, evaluation: ____, ...camvid } = loadRecipe('camvid');
    expect(ablation).to.deep.equal(camvid);
    expect(data.mix).to.deep.equal([]);
  });

  it('have names, and some tables are none', async () => {
    const fails = (name: string, message: string) =>
      expectOcrnetError(() => runAblation(name, options('none')), 'INVALID_ARGUMENT', message);
    await fails('figure1', 'did you mean figure-1');
    await fails('table-5', 'table-5 is no ablation: its rows are backbones and data sets');
  });

  it('print as many digits as the paper, and times where they are told', () => {
    const row = { name: 'a', miou: [0.5], mean: 0.5, deviation: 0 };
    const common = { table: 't', title: 'T', data: 'd', recipe: 'r', steps: 1, seeds: [1] };
    const timed = { width: 4, height: 2, device: 'cpu' };
    const rows = [
      { ...row, label: 'A', paper: { X: 69.5 }, pictureMs: 12.34, paperFps: 31 },
      { ...row, label: 'B', paper: { X: 74.18, Y: 1 }, pictureMs: 2 },
    ];
    const markdown = ablationMarkdown({ ...common, timed, rows });
    expect(markdown).to.include('| A | 50.0 ± 0.0 | 50.0 | 12.3 | 69.50 |  | 31 |');
    expect(markdown).to.include('| B | 50.0 ± 0.0 | 50.0 | 2.0 | 74.18 | 1.0 |  |');
    expect(markdown).to.include('network alone at 4×2, cpu');
  });
});

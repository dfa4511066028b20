import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { ablationMarkdown, ablationNames, runAblation } from '../../lib/train/ablation.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';

describe('tables of the paper', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  /** Figure 1 in two steps on two rendered streets. */
  const set = [
    'data.scenes={count: 3, valCount: 1, width: 96, height: 72, classes: camvid}',
    'data.kind=null',
    'crop={height: 64, width: 64}',
    'batch=2',
    'steps=2',
  ];

  it('train every row from every seed, and write means and spreads beside the paper', async () => {
    const table = await runAblation('figure-1', { folder: folder.root(), seeds: [1, 2], set, device });
    expect(table.rows.map(({ label }) => label)).to.deep.equal(['baseline', 'OCR', 'ground-truth OCR']);
    for (const { miou, mean, deviation } of table.rows) {
      expect(miou).to.have.length(2);
      expect(mean).to.be.closeTo(((miou[0] as number) + (miou[1] as number)) / 2, 1e-12);
      expect(deviation).to.be.closeTo(
        Math.abs((miou[0] as number) - (miou[1] as number)) / Math.SQRT2,
        1e-12,
      );
    }
    expect(JSON.parse(await readFile(folder.path('table.json'), 'utf8'))).to.deep.equal(table);
    const markdown = await readFile(folder.path('table.md'), 'utf8');
    expect(markdown).to.equal(ablationMarkdown(table));
    expect(markdown).to.contain('| ground-truth OCR | ').and.to.contain(' 88.8 |');
  });

  it('do not repeat trainings that are done', async () => {
    const options = { folder: folder.root(), seeds: [1], set, device };
    const first = await runAblation('figure-1', options);
    const events: string[] = [];
    const second = await runAblation('figure-1', { ...options, onEvent: (_, { type }) => events.push(type) });
    expect(events).to.deep.equal([]);
    expect(second).to.deep.equal(first);
  });

  it('have names', async () => {
    expect(ablationNames()).to.include('figure-1');
    await expectOcrnetError(
      () => runAblation('figure1', { folder: folder.root(), device }),
      'INVALID_ARGUMENT',
      'figure-1',
    );
  });
});

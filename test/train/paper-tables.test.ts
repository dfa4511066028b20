import { expect } from 'chai';
import { OcrnetError } from '../../lib/errors.js';
import { contextKinds } from '../../lib/models/contexts/index.js';
import { modelConfig } from '../../lib/models/registry.js';
import { ablationNames } from '../../lib/train/ablation.js';
import { configurationNames, readTable, tableNames } from '../../lib/train/paper-tables.js';
import { loadRecipe } from '../../lib/train/recipe.js';
import { configOf } from '../../lib/train/recipe-network.js';

const network = (name: string) => configOf(loadRecipe(name), 19);

function refusal(name: string): string {
  try {
    loadRecipe(name);
  } catch (error) {
    expect((error as OcrnetError).code).to.equal('INVALID_ARGUMENT');
    return (error as OcrnetError).message;
  }
  throw new Error(`${name} was accepted`);
}

describe('the paper’s tables', () => {
  it('are all there, each configuration under a name', () => {
    const tables = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `table-${number}`);
    expect(tableNames()).to.deep.equal(['figure-1', ...tables]);
    expect(ablationNames()).to.deep.equal(['figure-1', ...tables].filter((name) => !/table-[45]/.test(name)));
    const names = configurationNames();
    expect(new Set(names).size).to.equal(names.length);
    for (const name of ['table-1/da-scheme', 'table-2/ppm@ade20k', 'table-5/hrnet-w48-ocr-aspp'])
      expect(names).to.include(name);
  });

  it('are about every context there is', () => {
    const used = new Set(configurationNames().map((name) => network(name).context.kind));
    // For plain heads as such the paper has no row: its baseline is the fine head alone.
    expect([...used]).to.have.members(contextKinds.filter((kind) => kind !== 'none'));
  });

  it('are the paper’s networks, with its settings for a data set', () => {
    for (const table of ['figure-1', 'table-1', 'table-2', 'table-3', 'table-4', 'table-6', 'table-7'])
      expect(network(`${table}/ocr`), table).to.deep.equal(
        modelConfig('ocrnet-resnet101', { form: 'paper' }),
      );
    expect(network('table-8/mobilenet-v2-ocr')).to.deep.equal(
      modelConfig('ocrnet-mobilenet-v2', { form: 'paper' }),
    );
    expect(network('table-5/hrnet-w48-ocr@lip')).to.deep.equal(
      modelConfig('ocrnet-hrnet-w48', { form: 'paper' }),
    );
    const ppm = loadRecipe('table-2/ppm@ade20k');
    const { name, context, ...rest } = ppm;
    const { name: _, ...published } = loadRecipe('ade20k-resnet101-ocr');
    expect(name).to.equal('table-2/ppm@ade20k');
    expect(context?.kind).to.equal('ppm');
    expect(rest).to.deep.equal(published);
    expect(loadRecipe('table-2/ppm@cityscapes')).to.deep.equal({
      ...loadRecipe('table-2/ppm'),
    });
    expect(loadRecipe('table-8/mobilenet-v2').crop).to.deep.equal({ height: 512, width: 1024 });
  });

  it('can be extended and changed', () => {
    const recipe = loadRecipe('table-1/da-scheme', { set: ['context.channels=64', 'steps=3'] });
    expect(recipe.context).to.include({ kind: 'ocr', relation: 'da', channels: 64 });
    expect(recipe.steps).to.equal(3);
  });

  it('have the paper’s numbers', () => {
    const numbers = (table: string, column: string) =>
      readTable(table).rows.map(({ paper }) => paper[column]);
    expect(numbers('table-1', 'Cityscapes')).to.deep.equal([77.31, 79.01, 78.02, 79.58]);
    expect(numbers('figure-1', 'COCO-Stuff')).to.deep.equal([32.6, 38.4, 46.1]);
    expect(numbers('table-6', 'Cityscapes')).to.deep.equal([73.9, 75.8, 76.2, 77.1, 79.58]);
    expect(numbers('table-2', 'LIP')).to.deep.equal([54.76, 55.01, 55.6]);
    expect(numbers('table-3', 'ADE20K')).to.deep.equal([undefined, undefined, 44.75, 44.81, 45.28]);
    expect(numbers('table-7', 'Cityscapes')).to.deep.equal([78.52, 78.49, 78.53, 78.65, 77.43, 79.58]);
  });

  it('say what was meant by a name that is none', () => {
    expect(refusal('tabel-1/ocr')).to.match(/expected a table of the paper \(did you mean table-1/);
    expect(refusal('table-1/da-shceme')).to.match(
      /expected a row of table-1 \(did you mean table-1\/da-scheme/,
    );
    expect(refusal('table-2/ppm@ade20')).to.match(
      /expected a data set of table-2\/ppm \(did you mean ade20k\?\)/,
    );
    expect(refusal('table-2/ppm@coco-stuff')).to.match(/one of cityscapes, cityscapes-coarse, /);
    expect(refusal('table-6')).to.match(/expected a row of table-6: table-6\/coarse-only, /);
    expect(refusal('tabel-6')).to.match(/did you mean table-6/);
    expect(() => loadRecipe('far/away.yaml')).to.throw(OcrnetError, 'there is no such file');
  });
});

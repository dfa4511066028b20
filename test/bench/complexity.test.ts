import { expect } from 'chai';
import { complexityPicture } from '../../bench/contexts/complexity-picture.js';
import { complexityMarkdown } from '../../bench/contexts/complexity-table.js';
import { contextModules, paperSize, unreproducible } from '../../bench/contexts/modules.js';
import { parameterCount } from '../../lib/compile/cost.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule } from '../../lib/models/contexts/index.js';
import { paperFlops } from '../../lib/models/contexts/paper-flops.js';
import { exampleAbout, exampleResults } from '../support/bench-results.js';
import { expectWellFormed } from '../support/well-formed.js';

describe("the paper's Table 4", () => {
  for (const { name, kind, paper } of contextModules)
    it(`${name} has its parameters and FLOPs, or a line says why not`, () => {
      const config = contextConfig(kind);
      const parameters = parameterCount(buildContextModule(paperSize, config));
      const isTold = unreproducible.some(
        ({ kinds, cells }) => kinds.length === 1 && kinds[0] === kind && cells.includes('parameters'),
      );
      expect(Math.abs(parameters - paper.parameters) > 0.05e6, `${parameters} parameters`).to.equal(isTold);
      expect(paperFlops(paperSize, config) / paper.flops).to.be.closeTo(1, 0.01);
    });
});

describe('the table of complexity', () => {
  const cellsOf = (markdown: string, module: string): string[] => {
    const line = markdown.split('\n').find((one) => one.startsWith(`| ${module} |`));
    return (line ?? '').split('|').map((cell) => cell.trim());
  };

  it('has the same cells in every row, the paper’s beside ours', () => {
    const markdown = complexityMarkdown(exampleResults(), exampleAbout);
    const rows = markdown.split('\n').filter((line) => line.startsWith('|'));
    expect(rows).to.have.length(2 + contextModules.length + 1);
    expect(new Set(rows.map((row) => row.split('|').length)).size).to.equal(1);
    expect(cellsOf(markdown, 'PPM').slice(2, -1)).to.deep.equal([
      ...['23.10', '23.1', '619.0', '619', '500.0', '100', '101', '400', '792'],
      ...['500 ms', '1.00 s', '2.00×', '99 ms'],
    ]);
    expect(cellsOf(markdown, 'PPM, plain').slice(2, -1)).to.deep.equal([
      ...['', '', '', '', '4000.0', '100', '101', '', ''],
      ...['4.00 s', '', '0.25×', ''],
    ]);
    expect(cellsOf(markdown, 'DANet').slice(-5, -1)).to.deep.equal(['1.50 s', '–', '–', '121 ms']);
    expect(markdown).not.to.match(/undefined|NaN|Infinity/);
  });

  it('has no columns of a peer that did not run', () => {
    const alone = exampleResults().map(({ pytorch: _, skipped: __, ...rest }) => rest);
    const markdown = complexityMarkdown(alone, exampleAbout);
    expect(markdown).not.to.include('PyTorch');
    expect(cellsOf(markdown, 'PPM').slice(-3, -1)).to.deep.equal(['500 ms', '99 ms']);
  });

  it('says what cannot be reproduced of what was measured, and why a peer is absent', () => {
    const markdown = complexityMarkdown(exampleResults(), exampleAbout);
    for (const { cells } of unreproducible) expect(markdown).to.include(`- ${cells}: `);
    expect(markdown).to.include('DANet, PyTorch did not run: RuntimeError: not enough memory.');
    const some = complexityMarkdown(exampleResults().slice(0, 1), exampleAbout);
    expect(some).not.to.include('10.6 M').and.not.to.include('faster than all five others');
  });

  it('judges the paper’s ranking by the plain forms', () => {
    // OCR is the slowest of the examples.
    const slow = exampleResults();
    expect(complexityMarkdown(slow, exampleAbout)).to.include('does not hold here in the plain forms');
    const fast = slow.map((result) => ({ ...result, medianMs: 5000 - result.medianMs }));
    expect(complexityMarkdown(fast, exampleAbout)).to.include('others holds here in the plain forms');
    expect(complexityMarkdown(slow, exampleAbout)).to.match(/ours, plain: ASPP .* < PPM 4\.00 s$/m);
  });
});

describe('the picture of complexity', () => {
  it('stands alone, with a row a module and every number', () => {
    const picture = complexityPicture(exampleResults(), exampleAbout);
    expectWellFormed(picture);
    expect(picture).to.match(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(picture).not.to.match(/NaN|Infinity|undefined/);
    for (const { name } of contextModules)
      expect([...picture.matchAll(new RegExp(`>${name}<`, 'g'))]).to.have.length(1);
    for (const text of ['500 ms', 'plain 4.00 s', '99 ms on its GPU', '792 MiB', '2.0×', 'PyTorch 1.13.1'])
      expect(picture).to.include(text);
  });

  it('shows the paper’s numbers on the common scale only for the paper’s input', () => {
    const apart = (input?: string) =>
      [...complexityPicture(exampleResults(input), exampleAbout).matchAll(/class="stem apart"/g)].length;
    expect(apart(), 'time alone').to.equal(contextModules.length);
    expect(apart('1×2048×32×32')).to.equal(3 * contextModules.length);
  });

  it('shows one module without a peer, too', () => {
    const [{ pytorch: _, plain: __, ...one }] = exampleResults() as [ReturnType<typeof exampleResults>[0]];
    const picture = complexityPicture([one], { ...exampleAbout, plain: true });
    expectWellFormed(picture);
    expect(picture).not.to.match(/NaN|Infinity|undefined|PyTorch/);
    expect(picture).to.include('without the compiler’s algebra');
  });
});

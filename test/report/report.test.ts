import { readdir, readFile } from 'node:fs/promises';
import { expect } from 'chai';
import sharp from 'sharp';
import { ConfusionMatrix } from '../../lib/evaluate/confusion.js';
import { metricsOf } from '../../lib/evaluate/metrics.js';
import type { ClassInfo } from '../../lib/image/class-info.js';
import { renderScene } from '../../lib/image/render-scene.js';
import { axisOver, formatTick } from '../../lib/report/axis.js';
import { type ExplanationPage, renderExplanation } from '../../lib/report/explanation-page.js';
import { html } from '../../lib/report/html.js';
import { relationSvg } from '../../lib/report/relation-chart.js';
import type { ReportData } from '../../lib/report/report-data.js';
import { renderReport, writeReport } from '../../lib/report/write-report.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { evaluationEvent, startEvent, stepEvent } from '../support/training-events.js';
import { expectWellFormed } from '../support/well-formed.js';

const hostile = "\"><script>alert('&')</script>";
const names = ['road', hostile, 'car'];

function exampleReport(): ReportData {
  const confusion = new ConfusionMatrix(3);
  confusion.add(Uint8Array.of(0, 0, 0, 1, 1), Uint8Array.of(0, 0, 1, 1, 1));
  const image = renderScene({ width: 60, height: 40, seed: 1 });
  const prediction = Uint8Array.from({ length: 60 * 40 }, (_, i) => i % 3);
  return {
    title: `Title ${hostile}`,
    model: `model ${hostile}`,
    data: `data ${hostile}`,
    recipe: `recipe: ${hostile}\n  lines: kept`,
    classes: names.map((name, i) => ({ name, colour: [80 * i, 10, 20] })),
    events: [
      startEvent(),
      ...Array.from({ length: 900 }, (_, i) => stepEvent(i + 1)),
      stepEvent(901, Number.NaN),
      evaluationEvent(450, 0.3),
      evaluationEvent(901, 0.6),
    ],
    evaluation: { ...metricsOf(confusion, names), confusion: confusion.counts, pictures: 1 },
    examples: [
      {
        name: `picture ${hostile}`,
        image,
        truth: prediction.map((label, i) => (i < 60 ? 255 : label)),
        prediction,
        regions: { data: new Float32Array(6 * 4 * 3).fill(0.1), width: 6, height: 4 },
        labelsWithoutContext: prediction.map((label, i) => (i < 240 ? 2 : label)),
        pixel: {
          ...{ x: 30, y: 2, label: 0, labelWithoutContext: 2, relation: Float32Array.of(0.2, 0.7, 0.1) },
          context: { data: new Float32Array(6 * 4).fill(1 / 24), width: 6, height: 4 },
        },
      },
    ],
  };
}

describe('an explanation', () => {
  const { classes, examples } = exampleReport();
  const [{ truth: _, ...example }] = examples as unknown as [ExplanationPage['example']];

  it('is one well-formed page, too', async () => {
    const page = await renderExplanation({ model: `model ${hostile}`, classes, example, networkMs: 12 });
    expectWellFormed(page);
    expect(page).not.to.match(/<script|https?:|xmlns/);
    for (const text of ['The pixel at 30, 2', 'context changed 6.7 %', '70.0 %', '12 ms', '6 × 4'])
      expect(page).to.include(text);
    expect(page).not.to.include('better');
    expect([...page.matchAll(/<img /g)]).to.have.length(4 + 1 + 3);
    expect([...page.matchAll(/<rect /g)], 'a bar a class').to.have.length(3);
  });

  it('shows the regions that are asked for', async () => {
    const one = { ...example, regionClasses: [2] };
    const page = await renderExplanation({ model: 'm', classes, example: one });
    expect([...page.matchAll(/<img /g)]).to.have.length(4 + 1 + 1);
  });

  it('shows no more regions than can be looked at', async () => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      name: `class ${i}`,
      colour: [i, 0, 0] as ClassInfo['colour'],
    }));
    const regions = { data: new Float32Array(6 * 4 * 40), width: 6, height: 4 };
    const page = await renderExplanation({
      model: 'm',
      classes: many,
      example: { ...example, regions, pixel: { ...example.pixel, relation: new Float32Array(40) } },
    });
    expect([...page.matchAll(/<img /g)]).to.have.length(4 + 1 + 24);
    expect([...page.matchAll(/>not predicted</g)]).to.have.length(21);
  });

  it('has no more bars than can be read', () => {
    const many = Array.from({ length: 150 }, (_, i) => ({
      name: `class ${i}`,
      colour: [i, 0, 0] as ClassInfo['colour'],
    }));
    const relation = Float32Array.from(many, (_, i) => (i === 40 ? 0.5 : 0.5 / 149));
    const svg = relationSvg({ classes: many, relation, label: 40 });
    expect([...svg.matchAll(/<rect /g)]).to.have.length(12);
    expect(svg).to.match(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg)
      .to.match(/font-weight="700"[^>]*>class 40</)
      .and.match(/>139 others</);
    expect(svg).to.include(`>${((0.5 * 139) / 1.49).toFixed(1)} %<`);
  });
});

describe('a report', () => {
  const folder = temporaryFolder();

  it('is one well-formed page in which every text is escaped', async () => {
    const page = await renderReport(exampleReport());
    expectWellFormed(page);
    expect(page).not.to.include('<script');
    expect(page.split('&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;')).to.have.length.above(
      8,
    );
    for (const text of ['Training', 'Classes', 'Confusion', 'Pictures', 'Recipe', '66.7 %'])
      expect(page).to.include(text);
  });

  it('needs nothing besides: no addresses, no scripts, a policy that forbids them', async () => {
    const page = await renderReport(exampleReport());
    const withoutPictures = page.replaceAll(/base64,[^"]*/g, '');
    expect(withoutPictures).not.to.match(/https?:|\/\/[a-z]|url\((?!#)|@import|<link|<iframe/i);
    expect(page).to.include("default-src 'none'");
    const sources = [...page.matchAll(/ (?:src|href)="([^"]{0,23})/g)].map(([, source]) => source);
    expect(sources, 'picture, truth, two predictions, changes, context, three regions').to.deep.equal(
      Array.from({ length: 9 }, () => 'data:image/jpeg;base64,'),
    );
    const [, first] = /base64,([^"]+)"/.exec(page) as unknown as [string, string];
    const { width, height } = await sharp(Buffer.from(first, 'base64')).metadata();
    expect([width, height]).to.deep.equal([60, 40]);
  });

  it('shows what context changed, and where one pixel’s comes from', async () => {
    const page = await renderReport(exampleReport());
    // Two thirds of the first 240 of 2400 labels.
    expect(page).to.match(/context changed 6\.7 %: .*better.*worse.*neither/);
    expect(page).to.include('context of the marked pixel: &quot;');
    expect(page).to.include('70.0 %, road 20.0 %');
  });

  it('leaves out what there is not', async () => {
    const { title, model, data, classes } = exampleReport();
    const page = await renderReport({ title, model, data, classes });
    expectWellFormed(page);
    for (const text of ['<h2>', '<svg', '<img', 'mIoU</dt>']) expect(page).not.to.include(text);
  });

  it('draws curves with no more points than can be seen, and without those that are no number', async () => {
    const page = await renderReport(exampleReport());
    const paths = [...page.matchAll(/<path [^>]*d="([^"]*)"/g)].map(([, path]) => path as string);
    expect(paths, 'loss twice, mIoU, learning rate').to.have.length(4);
    for (const path of paths) expect(path).to.match(/^M[\d.]+ [\d.-]+(L[\d.]+ [\d.-]+)+$/);
    expect(paths[0]?.split('L')).to.have.length.within(100, 450);
    expect([...page.matchAll(/<circle/g)]).to.have.length(2);
  });

  it('is written whole or not at all', async () => {
    await writeReport(folder.path('report.html'), exampleReport());
    expect(await readFile(folder.path('report.html'), 'utf8')).to.match(/^<!DOCTYPE html>.*<\/html>\n$/s);
    const [example] = exampleReport().examples ?? [];
    if (!example) throw new Error('no example');
    const wrong = { ...exampleReport(), examples: [{ ...example, prediction: new Uint8Array(7) }] };
    await expectOcrnetError(
      () => writeReport(folder.path('other.html'), wrong),
      'INVALID_ARGUMENT',
      'expected 60×40 labels, received 7',
    );
    const few = { ...exampleReport(), classes: [] };
    await expectOcrnetError(
      () => writeReport(folder.path('other.html'), few),
      'INVALID_ARGUMENT',
      'the 3 of',
    );
    expect(await readdir(folder.root())).to.deep.equal(['report.html']);
  });
});

describe('axes', () => {
  it('end at round numbers around the values', () => {
    expect(axisOver([0.31, 2.2], 4)).to.deep.equal({ from: 0, to: 2.5, ticks: [0, 0.5, 1, 1.5, 2, 2.5] });
    expect(axisOver([3, 5900], 5, { zero: true }).ticks).to.deep.equal([0, 2000, 4000, 6000]);
    expect(axisOver([-0.1, 0.2], 3).ticks).to.deep.equal([-0.1, 0, 0.1, 0.2]);
    expect(axisOver([], 4).ticks).to.deep.equal([0, 0.5, 1]);
    expect(axisOver([7], 4)).to.include({ from: 0, to: 8 });
  });

  it('name them shortly', () => {
    expect([0, 0.3, 250, 9000, 40_000, 1.5e6, 2e-5].map(formatTick)).to.deep.equal([
      '0',
      '0.3',
      '250',
      '9000',
      '40k',
      '1.5M',
      '2e−5',
    ]);
  });
});

describe('markup', () => {
  it('escapes what fills it, and nothing twice', () => {
    const inner = html`<b title="${'"<'}">${'a & b'}</b>`;
    expect(html`<p>${[inner, undefined, 3, '<']}</p>`.text).to.equal(
      '<p><b title="&quot;&lt;">a &amp; b</b>3&lt;</p>',
    );
  });
});

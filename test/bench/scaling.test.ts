import { expect } from 'chai';
import type { ModuleResult } from '../../bench/contexts/measure.js';
import { contextModules } from '../../bench/contexts/modules.js';
import { measureScaling, type ScalingAbout, type ScalingResult } from '../../bench/contexts/scaling.js';
import { scalingPicture } from '../../bench/contexts/scaling-picture.js';
import { scalingMarkdown } from '../../bench/contexts/scaling-table.js';
import { OcrnetError } from '../../lib/errors.js';
import type { ModuleSize } from '../../lib/models/contexts/index.js';
import { exampleAbout, exampleResults } from '../support/bench-results.js';
import { expectWellFormed } from '../support/well-formed.js';

const about: ScalingAbout = { ...exampleAbout, limitMs: 120_000 };
const law = (exponent: number) => ({ exponent, factor: 1, from: 1024, to: 4096 });

const point = (side: number, ms: number) => ({
  side,
  pixels: side * side,
  medianMs: ms,
  plannedBytes: side * side * 1024,
  measuredBytes: side * side * 1024,
});

const results: readonly ScalingResult[] = [
  {
    ...{ module: 'OCR', kind: 'ocr', channels: 2048 },
    points: [
      { ...point(32, 10), pytorch: { ...point(32, 20), layout: 'contiguous', relativeError: 1e-6 } },
      point(64, 40),
    ],
    exponents: { ours: { time: law(1), memory: law(1) }, pytorch: {} },
    skipped: ['64² and more in PyTorch: PyTorch took longer than 120 s'],
  },
  {
    ...{ module: 'Self-Attention', kind: 'self-attention', channels: 2048 },
    points: [point(32, 15)],
    exponents: { ours: {} },
    skipped: ['64² and more: our side took longer than 120 s'],
  },
];

describe('scaling', () => {
  const [ppm] = exampleResults() as [ModuleResult];
  const measure = async (sides: readonly number[], of: (size: ModuleSize, python?: string) => ModuleResult) =>
    await measureScaling(
      contextModules[0] as (typeof contextModules)[0],
      {
        ...{ precision: 'float32', device: 'cpu', threads: 1, runs: 1, form: 'algebra', python: 'python' },
        ...{ sides, channels: 16, classes: 3, limitMs: 1000 },
      },
      async (_, { size, python }) => of(size, python),
    );

  it('is measured up to the size whose run takes too long', async () => {
    const seen: number[] = [];
    const { points, exponents, skipped } = await measure([8, 16, 32, 64], ({ height, width, channels }) => {
      expect([width, channels]).to.deep.equal([height, 16]);
      seen.push(height);
      if (height === 32) throw new OcrnetError('ABORTED', 'our side took longer than 1 s');
      return { ...ppm, medianMs: height ** 4, measuredBytes: height ** 2 };
    });
    expect(seen).to.deep.equal([8, 16, 32]);
    expect(points.map(({ pixels, medianMs }) => [pixels, medianMs])).to.deep.equal([
      [64, 4096],
      [256, 65536],
    ]);
    expect(exponents.ours.time?.exponent).to.be.closeTo(2, 1e-12);
    expect(exponents.ours.memory?.exponent).to.be.closeTo(1, 1e-12);
    expect(skipped).to.deep.equal(['32² and more: our side took longer than 1 s']);
  });

  it('goes on without the peer where that cannot follow', async () => {
    const { points, exponents, skipped } = await measure([8, 16, 32], ({ height }, python) => {
      const { pytorch: _, ...ours } = ppm;
      if (height === 8) return ppm;
      expect(python).to.equal(height === 16 ? 'python' : undefined);
      return height === 16 ? { ...ours, skipped: 'no memory' } : ours;
    });
    expect(points.map(({ pytorch }) => pytorch?.medianMs)).to.deep.equal([1000, undefined, undefined]);
    expect(exponents).to.have.keys('ours', 'pytorch');
    expect(skipped).to.deep.equal(['16² and more in PyTorch: no memory']);
  });

  it('hides no mistake', async () => {
    let thrown: unknown;
    await measure([8], () => {
      throw new TypeError('a mistake');
    }).catch((error) => {
      thrown = error;
    });
    expect(thrown).to.be.instanceOf(TypeError);
  });
});

describe('the table of scaling', () => {
  it('has a column a size, dashes for what did not run, and the reasons', () => {
    const markdown = scalingMarkdown(results, about);
    expect(markdown).to.include('| module | 32² | 64² | exponent |');
    expect(markdown).to.include('| OCR | 10 ms | 40 ms | 1.00 |');
    expect(markdown).to.include('| OCR, PyTorch | 20 ms | – | – |');
    expect(markdown).to.include('| Self-Attention | 15 ms | – | – |');
    expect(markdown).to.include('- Self-Attention, 64² and more: our side took longer than 120 s');
    expect(markdown).to.include('longer than 120 s, no larger size is tried');
    expect(markdown).not.to.match(/undefined|NaN/);
  });
});

describe('the picture of scaling', () => {
  const pointsOf = (picture: string) => [...picture.matchAll(/<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"/g)];

  it('stands alone, with a chart a module in each row and a point for each that ran', () => {
    const picture = scalingPicture(results, about);
    expectWellFormed(picture);
    expect(picture).not.to.match(/NaN|Infinity|undefined/);
    expect([...picture.matchAll(/class="card"/g)]).to.have.length(2 * results.length);
    expect(pointsOf(picture)).to.have.length(2 * 4);
    expect(picture)
      .to.include('longer than 120 s')
      .and.to.include('N<tspan class="raised" dy="-5">1.00</tspan>');
  });

  it('has logarithmic axes: what grows by a power lies on a line', () => {
    const points = [32, 64, 128].map((side) => point(side, side ** 2 / 64));
    const [one] = results as [ScalingResult, ScalingResult];
    const picture = scalingPicture([{ ...one, points }], about);
    const [a, b, c] = pointsOf(picture).map(([, x, y]) => [Number(x), Number(y)]) as [number, number][];
    // Places are rounded to a tenth.
    for (const axis of [0, 1] as const)
      expect((a as number[])[axis] as number).to.be.closeTo(
        2 * ((b as number[])[axis] as number) - ((c as number[])[axis] as number),
        0.21,
      );
    expect((a as number[])[1]).to.be.greaterThan((c as number[])[1] as number);
  });

  it('has nothing to draw where nothing ran', () => {
    const [one] = results as [ScalingResult, ScalingResult];
    const picture = scalingPicture([{ ...one, points: [], exponents: { ours: {} } }], about);
    expectWellFormed(picture);
    expect(picture).not.to.match(/NaN|Infinity|undefined/);
  });
});

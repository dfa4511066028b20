import { expect } from 'chai';
import { InvalidArgumentError } from 'commander';
import { parseModules, parseSides } from '../../bench/contexts/commands.js';
import { measureModule } from '../../bench/contexts/measure.js';
import { contextModules } from '../../bench/contexts/modules.js';
import { forgetPeak, residentMemory } from '../../bench/contexts/process-memory.js';
import { syntheticInput } from '../../bench/contexts/synthetic.js';
import { parseCount, parseSize } from '../../bench/options.js';
import { relativeDistance } from '../../bench/relative-distance.js';

const module = contextModules.find(({ kind }) => kind === 'ocr') as (typeof contextModules)[0];

describe('a context module in the bench', () => {
  it('is measured in a process of its own, as planned', async () => {
    const size = { batch: 1, height: 96, width: 96, channels: 64, classes: 5 };
    const { plannedBytes, measuredBytes, residentBytes, ...result } = await measureModule(module, {
      ...{ precision: 'float32', device: 'cpu', threads: 1, runs: 1 },
      size,
      form: 'plain',
    });
    expect(result.input).to.equal('1×64×96×96');
    expect(result.medianMs).to.be.greaterThan(0);
    expect(result.flopsExecuted / result.flopsPaperCounting).to.be.within(0.5, 1);
    // What JavaScript takes beside it is no part of the plan; it is small, and the plan is not.
    expect(plannedBytes).to.be.greaterThan(30e6);
    expect(measuredBytes / plannedBytes).to.be.within(0.95, 1.05);
    expect(residentBytes).to.be.greaterThan(measuredBytes);
    expect(result).not.to.have.any.keys('plain', 'pytorch', 'skipped');
  });

  it('reads noise that both sides make with the same bits', () => {
    const values = syntheticInput(10_000, 1);
    expect(Math.max(...values)).to.be.lessThan(1);
    expect(Math.min(...values)).to.be.at.least(-1);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).to.be.closeTo(0, 0.03);
    expect(values).not.to.deep.equal(syntheticInput(10_000, 0));
  });

  it('tells how far two results are apart', () => {
    const far = (a: number[], b: number[]) => relativeDistance(Float32Array.from(a), Float32Array.from(b));
    expect(far([3, 4], [3, 4])).to.equal(0);
    expect(far([3, 4.5], [3, 4])).to.be.closeTo(0.1, 1e-7);
    expect(() => far([1], [1, 2])).to.throw('1 and of 2');
  });
});

describe('the memory of a process', () => {
  it('has a peak that can be forgotten', () => {
    expect(Buffer.alloc(64 << 20, 1)[1]).to.equal(1);
    const { peak, now } = residentMemory();
    expect(now).to.be.greaterThan(16 << 20);
    expect(peak).to.be.at.least(now);
    forgetPeak();
    const later = residentMemory();
    expect(later.peak - later.now).to.be.within(0, 8 << 20);
  });
});

describe('the options of the benches', () => {
  it('are read', () => {
    expect(parseSize('32x64')).to.deep.equal({ height: 32, width: 64 });
    expect(parseCount('12')).to.equal(12);
    expect(parseSides('64,32,64')).to.deep.equal([32, 64]);
    expect(parseModules('ocr,ppm').map(({ name }) => name)).to.deep.equal(['OCR', 'PPM']);
  });

  it('are refused', () => {
    for (const text of ['32', '32x', '0x4', '32x32x3', 'x', '1e2x4', '-1x4'])
      expect(() => parseSize(text), text).to.throw(InvalidArgumentError, 'height x width');
    for (const text of ['', '0', '-1', '1.5', 'many', '9999999999'])
      expect(() => parseCount(text), text).to.throw(InvalidArgumentError, 'whole number');
    for (const text of ['', '32,', '32,0']) expect(() => parseSides(text)).to.throw(InvalidArgumentError);
    for (const text of ['', 'ocr,', 'none', 'OCR'])
      expect(() => parseModules(text)).to.throw(InvalidArgumentError, 'ppm, aspp');
  });
});

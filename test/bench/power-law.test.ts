import { expect } from 'chai';
import { fitPowerLaw, formatExponent } from '../../bench/power-law.js';

describe('a power law', () => {
  const of = (exponent: number, xs: readonly number[]) => xs.map((x) => ({ x, y: 3 * x ** exponent }));

  it('is found again, whatever the order of its samples', () => {
    for (const exponent of [-1, 0, 0.5, 2]) {
      const law = fitPowerLaw(of(exponent, [64, 4, 16, 1024, 256]));
      expect(law?.exponent).to.be.closeTo(exponent, 1e-12);
      expect(law?.factor).to.be.closeTo(3, 1e-10);
      expect([law?.from, law?.to]).to.deep.equal([64, 1024]);
    }
  });

  it('is that of the upper half: what does not grow rules the small ones', () => {
    const samples = of(2, [1, 2, 4, 8]).map(({ x, y }) => ({ x, y: Math.max(y, 40) }));
    expect(fitPowerLaw(samples)?.exponent).to.be.closeTo(2, 1e-12);
  });

  it('passes between samples that lie on none, so that the squares of the logarithms are least', () => {
    const law = fitPowerLaw([
      { x: 1, y: 1 },
      { x: 10, y: 1 },
      { x: 100, y: 1000 },
      { x: 1e-3, y: 1 },
      { x: 1e-4, y: 1 },
    ]);
    // Decades (0, 0), (1, 0), (2, 3): slope 3/2, mean 1 at 1.
    expect(law?.exponent).to.be.closeTo(1.5, 1e-12);
    expect(law?.factor).to.be.closeTo(10 ** -0.5, 1e-12);
  });

  it('needs two sizes, and values above zero', () => {
    expect(fitPowerLaw([])).to.equal(undefined);
    expect(fitPowerLaw(of(1, [4]))).to.equal(undefined);
    expect(fitPowerLaw(of(1, [4, 4]))).to.equal(undefined);
    expect(
      fitPowerLaw([
        { x: 1, y: 1 },
        { x: 2, y: 0 },
      ]),
    ).to.equal(undefined);
  });

  it('is told in two digits', () => {
    const told = (exponent: number) => formatExponent({ exponent, factor: 1, from: 1, to: 2 });
    expect([1.004, -0.5, -0.001].map(told)).to.deep.equal(['1.00', '−0.50', '0.00']);
  });
});

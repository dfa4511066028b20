import { expect } from 'chai';
import { arenaAlignment, type Lifetime, placeLifetimes } from '../../lib/compile/memory.js';

/** A repeatable stream of numbers in [0, 1). */
function randomStream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('placeLifetimes', () => {
  it('never lets two lifetimes share a byte at the same time', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = randomStream(seed);
      const lifetimes: Lifetime[] = Array.from({ length: 60 }, () => {
        const start = Math.floor(random() * 40);
        return { bytes: Math.floor(random() * 5000), start, end: start + Math.floor(random() * 10) };
      });
      const { offsets, arenaBytes, lowerBoundBytes } = placeLifetimes(lifetimes);
      lifetimes.forEach((a, i) => {
        const from = offsets[i] as number;
        expect(from % arenaAlignment).to.equal(0);
        expect(from + a.bytes).to.be.at.most(arenaBytes);
        lifetimes.slice(i + 1).forEach((b, j) => {
          const other = offsets[i + 1 + j] as number;
          const together = a.start <= b.end && b.start <= a.end;
          if (together && a.bytes > 0 && b.bytes > 0)
            expect(
              from + a.bytes <= other || other + b.bytes <= from,
              `${i} and ${i + 1 + j}, seed ${seed}`,
            ).to.equal(true);
        });
      });
      expect(arenaBytes).to.be.at.least(lowerBoundBytes);
    }
  });

  it('needs no more than two buffers for a chain', () => {
    const chain = Array.from({ length: 10 }, (_, i) => ({ bytes: 1024, start: i, end: i + 1 }));
    expect(placeLifetimes(chain).arenaBytes).to.equal(2048);
  });

  it('puts a small buffer into the gap that a dead one leaves', () => {
    const { arenaBytes, lowerBoundBytes } = placeLifetimes([
      { bytes: 4096, start: 0, end: 1 },
      { bytes: 4096, start: 0, end: 5 },
      { bytes: 2048, start: 2, end: 3 },
      { bytes: 2048, start: 2, end: 5 },
    ]);
    expect(arenaBytes).to.equal(lowerBoundBytes);
  });

  it('places what is held for long first, where that leaves no gaps', () => {
    const { arenaBytes, lowerBoundBytes } = placeLifetimes([
      { bytes: 2048, start: 0, end: 2 },
      { bytes: 1024, start: 1, end: 3 },
      { bytes: 2048, start: 2, end: 9 },
      { bytes: 1024, start: 3, end: 8 },
      { bytes: 2048, start: 8, end: 9 },
    ]);
    expect(arenaBytes).to.equal(lowerBoundBytes);
  });
});

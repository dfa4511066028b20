import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Contender } from '../../bench/gpu/contender.js';
import { throughputOf } from '../../bench/gpu/throughput.js';
import { timeInTurn } from '../../bench/gpu/timing.js';
import { compileSuite, neededPackages } from '../../scripts/gpu/pack.mjs';

describe('the GPU suite', () => {
  it('is packed with its compiled program and the packages that this imports, and without binaries', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ocrnet-gpu-'));
    try {
      await compileSuite(folder);
      await access(join(folder, 'bench/gpu/main.js'));
      await access(join(folder, 'lib/runtime/device.js'));
      expect(await neededPackages(folder)).to.deep.equal(['node-gyp-build', 'zod']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('times contenders in turn, without the first runs of each round', async () => {
    const turns: string[] = [];
    const contender = (name: string, ms: number): Contender => ({
      async run(count) {
        turns.push(`${name}${count}`);
        // As on a GPU that was idle: slow at first.
        return Array.from({ length: count }, (_, i) => (i === 0 ? 100 : ms));
      },
      close: async () => {},
    });
    const options = { rounds: 2, roundMs: 10 };
    const [a, b] = await timeInTurn([contender('a', 1), contender('b', 2)], options);
    expect(turns).to.deep.equal(['a3', 'b3', 'a10', 'b5', 'a10', 'b5']);
    expect(a).to.deep.equal({ medianMs: 1, bestMs: 1, runs: 16 });
    expect(b).to.deep.equal({ medianMs: 2, bestMs: 2, runs: 8 });
  });

  it('counts runs a second, one by one and with two in flight', async () => {
    const atOnce: number[] = [];
    let running = 0;
    const { awaited, overlapping } = await throughputOf(async () => {
      atOnce.push(++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
    }, 20);
    // Four of each are not counted; then as many one by one as two at once.
    const count = (atOnce.length - 8) / 2;
    expect(count).to.be.at.least(8);
    expect(new Set(atOnce.slice(4, 8 + count))).to.deep.equal(new Set([1]));
    expect(Math.max(...atOnce.slice(8 + count))).to.equal(2);
    expect(awaited).to.be.above(0);
    expect(overlapping).to.be.above(0);
  });
});

import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { openGpu } from './case.js';
import { formatPictures, loadNetwork, pictures } from './network-case.js';
import type { SizedNetwork } from './sizes.js';
import type { TimingOptions } from './timing.js';

/** Runs a second of a network, inputs and outputs in the processor's memory, by the processor's clock. */
export interface Throughput {
  /** Each run begins when the one before has its outputs. */
  readonly awaited: number;
  /** Two are in flight: copies of one while the other computes. */
  readonly overlapping: number;
}

export const throughputName = ({ network, size }: SizedNetwork): string =>
  `throughput of ${network.name}, ${formatPictures(size)}`;

export async function measureThroughput(
  { network, size }: SizedNetwork,
  precision: Precision,
  { rounds, roundMs }: TimingOptions,
): Promise<Throughput> {
  const device = await openGpu(precision);
  try {
    const program = await loadNetwork(device, network.config, size, precision);
    const image = pictures(size);
    return await throughputOf(async () => void (await program.run({ image })), rounds * roundMs);
  } finally {
    await device.dispose();
  }
}

/** @param milliseconds - that each of the two measurements lasts at least */
export async function throughputOf(run: () => Promise<void>, milliseconds: number): Promise<Throughput> {
  await inTurns(run, 2, 4); // what is done but once
  const perSecond = 4 / (await inTurns(run, 1, 4));
  const count = Math.min(400, Math.max(8, Math.ceil((milliseconds / 1000) * perSecond)));
  return {
    awaited: count / (await inTurns(run, 1, count)),
    overlapping: count / (await inTurns(run, 2, count)),
  };
}

/** Seconds for so many runs, always so many at once. */
async function inTurns(run: () => Promise<void>, atOnce: number, count: number): Promise<number> {
  const begin = performance.now();
  let started = 0;
  const lane = async () => {
    while (started++ < count) await run();
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return (performance.now() - begin) / 1000;
}

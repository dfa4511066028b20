import { median } from '../interleave.js';
import type { Contender } from './contender.js';

/** Milliseconds of one run. */
export interface Timing {
  readonly medianMs: number;
  readonly bestMs: number;
  /** That were counted. */
  readonly runs: number;
}

export interface TimingOptions {
  readonly rounds: number;
  /** What a round of one contender lasts at least. */
  readonly roundMs: number;
}

/** Of a round's runs, those at its start that are not counted: an idle GPU lowers its clock. */
const warmPart = 0.2;

/** Lets contenders run in turn, A B A B …, each for a while at a time. Each has run before. */
export async function timeInTurn(
  contenders: readonly Contender[],
  { rounds, roundMs }: TimingOptions,
): Promise<Timing[]> {
  const counts: number[] = [];
  for (const contender of contenders) counts.push(runsOf(roundMs, await contender.run(3)));
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, contender] of contenders.entries()) {
      const count = counts[i] as number;
      const all = await contender.run(count);
      times[i]?.push(...all.slice(Math.ceil(warmPart * count)));
    }
  return times.map((one) => ({ medianMs: median(one), bestMs: Math.min(...one), runs: one.length }));
}

function runsOf(roundMs: number, trial: readonly number[]): number {
  const count = Math.ceil(roundMs / Math.max(median(trial), 1e-3));
  return Math.min(200, Math.max(5, count));
}

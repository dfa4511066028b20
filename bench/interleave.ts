import { setTimeout as sleep } from 'node:timers/promises';

/** One contender of a comparison: does the work once and says how long it took. */
export type Contender = () => Promise<number>;

export interface InterleaveOptions {
  readonly runs: number;
  /** Runs that are not counted, first. */
  readonly warmups: number;
  /** Rest between two runs, so that the threads of the one stop spinning before the other starts. */
  readonly restMs: number;
}

/** Runs contenders in turn, A B A B …, so that a machine whose speed drifts is fair to both; medians in milliseconds. */
export async function interleave(
  contenders: readonly Contender[],
  options: InterleaveOptions,
): Promise<number[]> {
  const { runs, warmups, restMs } = options;
  const times: number[][] = contenders.map(() => []);
  for (let run = 0; run < warmups + runs; run++)
    for (const [i, contender] of contenders.entries()) {
      await sleep(restMs);
      const elapsed = await contender();
      if (run >= warmups) times[i]?.push(elapsed);
    }
  return times.map(median);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

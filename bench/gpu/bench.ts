import type { GpuCase } from './case.js';
import { suiteCases } from './cases.js';
import type { StepTime } from './contender.js';
import { isWanted } from './only.js';
import { Report } from './report.js';
import type { SizedNetwork, SuiteSizes } from './sizes.js';
import { measureThroughput, type Throughput, throughputName } from './throughput.js';
import { type Timing, timeInTurn } from './timing.js';

interface BenchResult extends Partial<Timing> {
  readonly name: string;
  readonly precision: string;
  readonly arenaBytes?: number;
  /** By direct count, 10¹² a second. */
  readonly teraflops?: number;
  /** Of the bytes that have to move, 10¹² a second. */
  readonly terabytes?: number;
  /** By operation and algorithm, of one run step by step, the longest first. */
  readonly profile?: readonly ProfileRow[];
  readonly throughput?: Throughput;
  readonly failure?: string;
}

interface ProfileRow {
  readonly op: string;
  readonly algorithm: string;
  readonly steps: number;
  readonly ms: number;
  /** The longest of them. */
  readonly longest: { readonly path: string; readonly ms: number };
}

/** Times everything on the GPU, ours alone, and says where the time goes. */
export async function benchAlone(out: string, sizes: SuiteSizes): Promise<boolean> {
  const report = await Report.open<BenchResult>(out, 'bench');
  for (const one of suiteCases(sizes)) {
    const result = await measure(one, sizes);
    await report.add(result);
    console.log(line(result));
  }
  for (const network of sizes.networks.filter((one) => isWanted(throughputName(one)))) {
    const result = await measureNetworkThroughput(network, sizes);
    await report.add(result);
    console.log(throughputLine(result));
  }
  await report.finish();
  return report.entries.every(({ failure }) => failure === undefined);
}

async function measure(
  { name, precision, leastBytes, open }: GpuCase,
  sizes: SuiteSizes,
): Promise<BenchResult> {
  try {
    const ours = await open();
    try {
      const [timing] = (await timeInTurn([ours], sizes)) as [Timing];
      const perSecond = (amount: number) => amount / 1e9 / timing.medianMs;
      return {
        name,
        precision,
        ...timing,
        arenaBytes: ours.arenaBytes,
        teraflops: perSecond(ours.flops),
        ...(leastBytes !== undefined && { terabytes: perSecond(leastBytes) }),
        profile: summarised(await ours.profile()),
      };
    } finally {
      await ours.close();
    }
  } catch (error) {
    return { name, precision, failure: (error as Error).message };
  }
}

async function measureNetworkThroughput(network: SizedNetwork, sizes: SuiteSizes): Promise<BenchResult> {
  const about = { name: throughputName(network), precision: 'bfloat16' } as const;
  try {
    return { ...about, throughput: await measureThroughput(network, about.precision, sizes) };
  } catch (error) {
    return { ...about, failure: (error as Error).message };
  }
}

function summarised(steps: readonly StepTime[]): ProfileRow[] {
  const groups = new Map<string, StepTime[]>();
  for (const step of steps) {
    const key = `${step.op} ${step.algorithm}`;
    groups.set(key, [...(groups.get(key) ?? []), step]);
  }
  return [...groups.values()]
    .map((group) => {
      const { op, algorithm, ...longest } = group.reduce((a, b) => (b.ms > a.ms ? b : a));
      const ms = group.reduce((sum, step) => sum + step.ms, 0);
      return { op, algorithm, steps: group.length, ms, longest };
    })
    .sort((a, b) => b.ms - a.ms);
}

function line({ name, precision, medianMs, teraflops, terabytes, failure }: BenchResult): string {
  const what = `${name}, ${precision}`;
  if (medianMs === undefined) return `${what}: FAILED, ${failure}`;
  const rates = [`${teraflops?.toFixed(1)} TFLOP/s`, ...(terabytes ? [`${terabytes.toFixed(2)} TB/s`] : [])];
  return `${what}: ${medianMs.toFixed(3)} ms, ${rates.join(', ')}`;
}

function throughputLine({ name, precision, throughput, failure }: BenchResult): string {
  const what = `${name}, ${precision}`;
  if (!throughput) return `${what}: FAILED, ${failure}`;
  const { awaited, overlapping } = throughput;
  return `${what}: ${awaited.toFixed(1)} runs/s one by one, ${overlapping.toFixed(1)} runs/s with two in flight`;
}

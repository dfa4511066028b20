import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPyTorch } from '../peers/pytorch.js';
import { relativeDistance } from '../relative-distance.js';
import type { GpuCase, PeerMode } from './case.js';
import { suiteCases } from './cases.js';
import type { OurContender } from './contender.js';
import { type PeerFacts, type PyTorchContender, PyTorchProcess } from './pytorch.js';
import { Report } from './report.js';
import type { SuiteSizes } from './sizes.js';
import { type Timing, timeInTurn } from './timing.js';

export interface AgainstOptions {
  readonly out: string;
  readonly sizes: SuiteSizes;
  /** Where PyTorch computes: the processor in the dry run. */
  readonly peerDevice: 'cuda' | 'cpu';
  /** For loading one work, compilation included. */
  readonly openSeconds: number;
}

export interface ComparisonResult {
  readonly name: string;
  readonly precision: string;
  readonly mode: PeerMode;
  readonly ours?: Timing & { readonly arenaBytes: number };
  readonly pytorch?: Timing & PeerFacts;
  /** PyTorch's median over ours. */
  readonly ratio?: number;
  /** ‖ours − PyTorch's‖ / ‖PyTorch's‖, each with its own roundings; in training of the first loss. */
  readonly relativeError?: number;
  /** What the GPU would need at the rates of a large matrix product and of a large copy, whichever is more. */
  readonly floorMs?: number;
  readonly failure?: string;
}

/** Compares with PyTorch, in turn, in processes of their own: first every case in the mode that matters most. */
export async function benchAgainstPyTorch(options: AgainstOptions): Promise<boolean> {
  const { out, sizes, peerDevice } = options;
  const report = await Report.open<ComparisonResult>(out, 'pytorch');
  const found = findPyTorch();
  if ('reason' in found) {
    await report.finish({ skipped: found.reason });
    console.log(`skipped: ${found.reason}`);
    return true;
  }
  const peer = new Restartable(() => PyTorchProcess.start(found.python, peerDevice));
  try {
    for (const [one, mode] of inOrder(suiteCases(sizes))) {
      const result = await compare(one, mode, peer, options);
      await report.add(result);
      console.log(line(result));
    }
    await report.finish({ pytorch: (await peer.running()).about, modes: modeNotes });
  } finally {
    await peer.close();
  }
  return report.entries.every(({ ours }) => ours !== undefined);
}

/** For who reads the numbers. */
const modeNotes = {
  layout: 'channels_last, cudnn.benchmark on, inference mode',
  bfloat16:
    'modules and inputs in bfloat16, no autocast; ours trains float32 parameters, which PyTorch then has not',
  float32: "PyTorch's defaults: convolutions in TF32, matrix products in float32; ours TF32 in both",
  eager: 'as it comes, one kernel after the other',
  graphed: "captured into a CUDA graph, as ours is: the kernels' own time",
  compiled: 'torch.compile, default mode',
};

function inOrder(cases: readonly GpuCase[]): (readonly [GpuCase, PeerMode])[] {
  const most = Math.max(...cases.map(({ modes }) => modes.length));
  return Array.from({ length: most }, (_, rank) => rank).flatMap((rank) =>
    cases.flatMap((one) => {
      const mode = one.modes[rank];
      return mode === undefined ? [] : [[one, mode] as const];
    }),
  );
}

/** A process that is started again where a work ended it. */
class Restartable {
  readonly #start: () => Promise<PyTorchProcess>;
  #process: PyTorchProcess | undefined;

  constructor(start: () => Promise<PyTorchProcess>) {
    this.#start = start;
  }

  async running(): Promise<PyTorchProcess> {
    this.#process ??= await this.#start();
    return this.#process;
  }

  async close(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.close();
  }
}

async function compare(
  one: GpuCase,
  mode: PeerMode,
  peer: Restartable,
  options: AgainstOptions,
): Promise<ComparisonResult> {
  const { name, precision } = one;
  const folder = await mkdtemp(join(tmpdir(), 'ocrnet-gpu-'));
  try {
    const ours = await one.open();
    try {
      return { name, precision, mode, ...(await measure(one, mode, ours, peer, folder, options)) };
    } finally {
      await ours.close();
    }
  } catch (error) {
    return { name, precision, mode, failure: (error as Error).message };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Measured = Omit<ComparisonResult, 'name' | 'precision' | 'mode'>;

/** Where PyTorch fails ours is measured all the same. */
async function measure(
  one: GpuCase,
  mode: PeerMode,
  ours: OurContender,
  peer: Restartable,
  folder: string,
  { sizes, openSeconds }: AgainstOptions,
): Promise<Measured> {
  const { arenaBytes } = ours;
  try {
    const process = await peer.running();
    const theirs = await process.open(await one.describe(folder), one.precision, mode, 1000 * openSeconds);
    const [mine, its] = (await timeInTurn([ours, theirs], sizes)) as [Timing, Timing];
    const measured = {
      ours: { ...mine, arenaBytes },
      pytorch: { ...its, ...(await theirs.facts()) },
      ratio: its.medianMs / mine.medianMs,
      relativeError: await distance(ours, theirs, folder),
      floorMs: floorOf(one, ours, process),
    };
    await theirs.close();
    return measured;
  } catch (error) {
    await peer.close();
    const [mine] = (await timeInTurn([ours], sizes)) as [Timing];
    return { ours: { ...mine, arenaBytes }, failure: lastLine(error as Error) };
  }
}

/** Of a traceback, what it says at the end. */
const lastLine = ({ message }: Error): string => message.trim().split('\n').at(-1) as string;

async function distance(ours: OurContender, theirs: PyTorchContender, folder: string): Promise<number> {
  const file = join(folder, 'theirs');
  await theirs.save(file);
  const { buffer, byteOffset, byteLength } = await readFile(file);
  const expected = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  return relativeDistance(await ours.result(), expected);
}

function floorOf(
  { leastBytes = 0, precision }: GpuCase,
  { flops }: OurContender,
  { about }: PyTorchProcess,
): number {
  const { flopsPerSecond, bytesPerSecond } = about.ceilings;
  // TF32 multiplies at half the rate of bfloat16.
  const rate = precision === 'float32' ? flopsPerSecond / 2 : flopsPerSecond;
  return 1000 * Math.max(flops / rate, leastBytes / bytesPerSecond);
}

function line({
  name,
  precision,
  mode,
  ours,
  pytorch,
  ratio,
  relativeError,
  floorMs,
  failure,
}: ComparisonResult): string {
  const ms = (value: number | undefined) => (value === undefined ? 'failed' : `${value.toFixed(3)} ms`);
  const parts = [
    `ours ${ms(ours?.medianMs)}`,
    `PyTorch ${mode} ${ms(pytorch?.medianMs)}`,
    ...(ratio ? [`ratio ${ratio.toFixed(2)}`] : []),
    ...(floorMs ? [`floor ${ms(floorMs)}`] : []),
    ...(relativeError === undefined ? [] : [`relative error ${relativeError.toExponential(1)}`]),
    ...(failure ? [failure] : []),
  ];
  return `${name}, ${precision}: ${parts.join(', ')}`;
}

import { freemem, release, totalmem } from 'node:os';
import { describeMachine, openDevice } from '../runtime/device.js';
import { addonPath, type NativeCudaDescription } from '../runtime/native.js';
import { formatBytes } from '../terminal/format.js';
import { version } from '../version.js';
import { type CommandContext, exitCodes } from './context.js';

/** What stands in the way, and what to do. */
interface Problem {
  readonly what: string;
  readonly remedy: string;
}

type Addon =
  | { readonly loaded: true; readonly path: string; readonly compiler: string; readonly napi: number }
  | { readonly loaded: false };

interface Cpu {
  readonly model: string;
  /** Logical processors of the machine, and how many threads a device has unless told. */
  readonly cores: number;
  readonly threads: number;
  readonly isa: string;
  readonly features: readonly string[];
  readonly bfloat16: boolean;
}

interface DoctorReport {
  readonly ocrnet: string;
  readonly node: string;
  readonly system: string;
  readonly addon: Addon;
  readonly cpu?: Cpu;
  /** Absent where the addon does not load. */
  readonly cuda?: NativeCudaDescription;
  readonly libraries: Readonly<Record<string, string>>;
  readonly memory: { readonly totalBytes: number; readonly freeBytes: number };
  readonly problems: readonly Problem[];
}

/** `ocrnet doctor`: fails where the addon or sharp does not load, for then nothing can be segmented. */
export async function doctor(
  { json = false }: { readonly json?: boolean },
  { terminal }: CommandContext,
): Promise<number> {
  const report = await examine();
  terminal.print(json ? JSON.stringify(report, undefined, 2) : describe(report).join('\n'));
  return report.problems.length === 0 ? exitCodes.success : exitCodes.failure;
}

async function examine(): Promise<DoctorReport> {
  const problems: Problem[] = [];
  const addon = await examineAddon().catch((error: Error) => {
    // The message of the addon's loader says what to do.
    problems.push({ what: 'the native addon does not load', remedy: error.message });
    return { addon: { loaded: false } as const, libraries: {} };
  });
  const pictures = await examineSharp().catch((error: Error) => {
    problems.push({
      what: `sharp, which reads pictures, does not load (${error.message.split('\n')[0]})`,
      remedy: 'install it for this system: npm install sharp',
    });
    return {};
  });
  return {
    ocrnet: version,
    node: process.versions.node,
    system: `${process.platform} ${process.arch}, ${release()}`,
    ...addon,
    libraries: { ...addon.libraries, ...pictures },
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    problems,
  };
}

async function examineAddon(): Promise<Pick<DoctorReport, 'addon' | 'libraries' | 'cpu' | 'cuda'>> {
  const { cpuModel, cores, threads, isa, features, oneDnnVersion, openmp, compiler, napi, cuda } =
    describeMachine();
  await using device = await openDevice({ device: 'cpu' });
  return {
    addon: { loaded: true, path: addonPath(), compiler, napi },
    cpu: { model: cpuModel, cores, threads, isa, features, bfloat16: device.supports('bfloat16') },
    cuda,
    libraries: { oneDNN: oneDnnVersion, OpenMP: openmp },
  };
}

async function examineSharp(): Promise<Record<string, string>> {
  const { default: sharp } = await import('sharp');
  return { sharp: sharp.versions.sharp ?? 'unknown', libvips: sharp.versions.vips };
}

function describe({
  ocrnet,
  node,
  system,
  addon,
  cpu,
  cuda,
  libraries,
  memory,
  problems,
}: DoctorReport): string[] {
  const rows: [name: string, value: string][] = [
    ['ocrnet', `${ocrnet}, Node.js ${node}, ${system}`],
    [
      'addon',
      addon.loaded ? `${addon.path} (compiler ${addon.compiler}, Node-API ${addon.napi})` : 'not loaded',
    ],
  ];
  if (cpu)
    rows.push(
      ['processor', `${cpu.model}, ${cpu.cores} logical cores, ${cpu.threads} threads by default`],
      ['instructions', `${cpu.isa} (${cpu.features.join(' ')})`],
      ['bfloat16', cpu.bfloat16 ? 'computed natively' : 'not computed natively: use float32'],
    );
  if (cuda) rows.push(...cudaRows(cuda));
  rows.push(
    [
      'libraries',
      Object.entries(libraries)
        .map(([name, number]) => `${name} ${number}`)
        .join(', '),
    ],
    ['memory', `${formatBytes(memory.totalBytes)}, ${formatBytes(memory.freeBytes)} free`],
  );
  return [
    ...rows.map(([name, value]) => `${name.padEnd(14)}${value}`),
    ...problems.flatMap(({ what, remedy }) => ['', `problem: ${what}`, `  ${remedy}`]),
  ];
}

function cudaRows({
  built,
  emulated,
  runtimeVersion = 'unknown',
  driverVersion,
  unavailable,
  devices,
  cudnn,
}: NativeCudaDescription): [name: string, value: string][] {
  if (!built) return [['CUDA', 'not built: npm run setup builds it where there is nvcc of CUDA 13']];
  const driver = driverVersion ? `a driver for CUDA ${driverVersion}` : 'no driver';
  const versions = `runtime ${runtimeVersion}, ${driver}${emulated ? ', GPU emulated for tests' : ''}`;
  const remedy = driverVersion ? '' : "; install NVIDIA's driver";
  return [
    ['CUDA', unavailable ? `${versions}; no GPU can be used: ${unavailable}${remedy}` : versions],
    ...devices.map(({ index, model, computeCapability, multiprocessors, memoryBytes }): [string, string] => [
      `GPU ${index}`,
      `${model}, compute capability ${computeCapability}, ${multiprocessors} multiprocessors, ${formatBytes(memoryBytes)}`,
    ]),
    [
      'cuDNN',
      cudnn.version
        ? `${cudnn.version} (${cudnn.path}), a candidate for convolutions with --tuning`
        : `not used, and not needed: ${cudnn.unavailable}`,
    ],
  ];
}

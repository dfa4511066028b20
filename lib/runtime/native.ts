import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Inspection } from '../compile/target.js';
import { type ErrorCode, OcrnetError } from '../errors.js';

/** What this machine and this build of the addon are. */
export interface NativeDescription {
  /** The instruction set for which kernels are chosen. */
  readonly isa: 'portable' | 'avx2' | 'avx512';
  /** The processor's instructions that matter here, in the words of /proc/cpuinfo. */
  readonly features: readonly string[];
  /** Logical processors of the machine. */
  readonly cores: number;
  /** The default of `openCpu`: cores that this process may use. */
  readonly threads: number;
  readonly cpuModel: string;
  readonly oneDnnVersion: string;
  /** Year and month of the OpenMP specification. */
  readonly openmp: string;
  readonly compiler: string;
  readonly napi: number;
  readonly cuda: NativeCudaDescription;
}

/** What this build of the addon and this machine have of CUDA. */
export interface NativeCudaDescription {
  /** Whether the addon was built with it. */
  readonly built: boolean;
  /** The addon of the tests, whose GPU is the processor. */
  readonly emulated: boolean;
  /** That the addon was built with. */
  readonly runtimeVersion?: string;
  /** The newest CUDA that the installed driver runs; absent where there is no driver. */
  readonly driverVersion?: string;
  /** Why no GPU can be used; absent where one can. */
  readonly unavailable?: string;
  readonly devices: readonly NativeGpu[];
  readonly cudnn: NativeCudnnDescription;
}

/** What this machine has of cuDNN, which nothing needs: it is a candidate for convolutions where measurements choose. */
export interface NativeCudnnDescription {
  /** Where it was looked for: as the environment's OCRNET_CUDNN says, else where the system's loader looks. */
  readonly path: string;
  /** As "9.6.0"; absent where there is none to use. */
  readonly version?: string;
  /** Why there is none to use. */
  readonly unavailable?: string;
}

export interface NativeGpu {
  readonly index: number;
  readonly model: string;
  /** As "9.0". */
  readonly computeCapability: string;
  readonly multiprocessors: number;
  readonly memoryBytes: number;
}

export interface NativeCpuInfo {
  readonly name: 'cpu';
  readonly threads: number;
  readonly isa: NativeDescription['isa'];
  /** Whether the processor multiplies bfloat16. */
  readonly bfloat16: boolean;
}

export interface NativeCudaInfo extends NativeGpu {
  readonly name: 'cuda';
  /** Whether products of float32 numbers may round them to 10 bits first. */
  readonly tf32: boolean;
  readonly emulated: boolean;
}

export interface NativeDevice {
  readonly info: NativeCpuInfo | NativeCudaInfo;
  /** An algorithm for each step of an encoded plan. Types and strides must fit; memory need not be planned yet. */
  inspect(plan: Uint8Array): readonly Inspection[];
  /** The same of all algorithms that each step could run with; the first is what the others are compared with. */
  candidates(plan: Uint8Array): readonly (readonly Inspection[])[];
  createWeights(): NativeWeights;
  /** Memory that outlives runs, all zero. */
  createState(blocks: readonly { readonly name: string; readonly elements: number }[]): NativeState;
  /** Validates a plan and prepares its steps on the device's thread. */
  load(
    plan: Uint8Array,
    weights: NativeWeights,
    state?: NativeState,
    group?: NativeGroup,
    member?: number,
  ): Promise<NativeProgram>;
  /** Allocated now for the runs of all loaded plans, which share it. */
  arenaBytes(): number;
  /** Of the device's memory, not in use by anybody. */
  freeBytes(): number;
  /** Stops the run in progress at its next step, fails those behind it, frees the memory. Idempotent. */
  dispose(): Promise<void>;
}

export interface NativeWeights {
  /** Copies a tensor in. */
  set(name: string, shape: readonly number[], data: Float32Array): void;
  /** Held now, reordered forms included. */
  bytes(): number;
  /** Programs that were loaded with the weights keep them. */
  dispose(): void;
}

export interface NativeState {
  /** Between runs, in the order of the calls. The array must not change until the promise settles. */
  write(name: string, first: number, data: Float32Array): Promise<void>;
  /** Fills the array. */
  read(name: string, first: number, data: Float32Array): Promise<void>;
  bytes(): number;
  /** Programs that were loaded with the state keep it. */
  dispose(): void;
}

export interface NativeProgram {
  /**
   * Runs the plan on the device's thread. The arrays are used where they lie: until the promise settles they must neither
   * change nor have their buffers transferred. A run that fails sets its `chain`, and one whose chain is set does not begin.
   * `steps` are milliseconds, with `profile`; `repeats` of each of so many runs, one behind the other.
   */
  run(
    inputs: readonly ArrayBufferView[],
    outputs: readonly ArrayBufferView[],
    options?: {
      readonly token?: NativeAbortToken;
      readonly chain?: NativeAbortToken;
      readonly profile?: boolean;
      readonly repeats?: number;
    },
  ): Promise<{ readonly elapsedMs: number; readonly steps?: Float64Array; readonly repeats?: Float64Array }>;
  /** Of this plan alone. */
  arenaBytes(): number;
  /** Runs that were started before come to their end. */
  dispose(): void;
}

/** Devices that compute together. */
export interface NativeGroup {
  /** Lets a group that was broken meet again, while no member runs. */
  renew(): void;
}

export interface NativeAbortToken {
  abort(): void;
}

/** The exports of native/addon.cpp. */
export interface NativeAddon {
  describe(): NativeDescription;
  openCpu(options?: { readonly threads?: number }): NativeDevice;
  openCuda(options?: { readonly index?: number; readonly tf32?: boolean }): NativeDevice;
  createAbortToken(): NativeAbortToken;
  createGroup(size: number): NativeGroup;
}

/** Of the package, from lib/runtime/ and from dist/runtime/ alike. */
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

let loaded: NativeAddon | undefined;

/**
 * The addon, loaded at the first call: a prebuilt one that fits this machine, or the one in build/; or the file that the
 * environment's OCRNET_ADDON names, as tests do.
 *
 * @throws OcrnetError DEVICE_UNAVAILABLE with what was found and what to do
 */
export function native(): NativeAddon {
  loaded ??= load();
  return loaded;
}

function load(): NativeAddon {
  try {
    const path = addonPath();
    return withPatientThreads(() => requireModule(path) as NativeAddon);
  } catch (cause) {
    throw new OcrnetError('DEVICE_UNAVAILABLE', `The native addon could not be loaded. ${remedy(cause)}`, {
      expected: `an addon for ${process.platform}-${process.arch} that loads in Node.js ${process.versions.node}`,
      received: firstLine(cause),
      cause,
    });
  }
}

const requireModule = createRequire(import.meta.url);

/** The file that {@link native} loads. Throws where there is none. */
export function addonPath(): string {
  const { resolve } = requireModule('node-gyp-build') as { resolve(folder: string): string };
  return process.env.OCRNET_ADDON ?? resolve(packageRoot);
}

/**
 * Loads with a short busy wait in libgomp, which reads the setting when it is loaded. By default its threads spin for a
 * millisecond at every barrier: on a machine with other work they keep the thread that they wait for from running, and a
 * network takes five times as long. The user's own settings win.
 */
function withPatientThreads<T>(load: () => T): T {
  const { GOMP_SPINCOUNT, OMP_WAIT_POLICY } = process.env;
  if (GOMP_SPINCOUNT !== undefined || OMP_WAIT_POLICY !== undefined) return load();
  process.env.GOMP_SPINCOUNT = '10000';
  try {
    return load();
  } finally {
    delete process.env.GOMP_SPINCOUNT;
  }
}

function remedy(cause: unknown): string {
  const missing = /(lib[\w.+-]+\.so[\w.]*): cannot open shared object/.exec(String(cause))?.[1];
  if (missing?.startsWith('libdnnl'))
    return `oneDNN is missing: install it (Debian: apt-get install libdnnl2) or run \`${buildCommand()}\``;
  if (missing) return `The system's library ${missing} is missing: install it`;
  if (/(GLIBC(XX)?|CXXABI)_[\d.]+' not found/.test(String(cause)))
    return `It was built for a newer system: build it here with \`${buildCommand()}\``;
  if (/No native build was found/.test(String(cause)))
    return `There is none for this machine: build it with \`${buildCommand()}\` (needs a C++20 compiler, CMake and oneDNN)`;
  return `Build it anew with \`${buildCommand()}\``;
}

/** A checkout has a script that also installs what is missing; the published package has the sources alone. */
const buildCommand = (): string =>
  existsSync(`${packageRoot}scripts`) ? 'npm run setup' : `npx cmake-js build --directory ${packageRoot}`;

const firstLine = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] as string;

/** Calls the addon; its errors, thrown or rejected, come as OcrnetErrors of the same code. */
export function withOcrnetErrors<T>(call: () => T): T {
  try {
    const result = call();
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      throw asOcrnetError(error);
    }) as T;
  } catch (error) {
    throw asOcrnetError(error);
  }
}

/** native/bindings/errors.cpp gives each of its errors an ErrorCode. Others are defects and stay as they are. */
function asOcrnetError(error: unknown): unknown {
  if (error instanceof OcrnetError || !(error instanceof Error) || !('code' in error)) return error;
  return new OcrnetError(error.code as ErrorCode, error.message, { cause: error });
}

import { type Compiled, type CompileOptions, compile, compilePrepared } from '../compile/compile.js';
import { encodePlan, type PlannedState } from '../compile/encode.js';
import type { Precision } from '../compile/passes/assign-precision.js';
import type { Target } from '../compile/target.js';
import { invalidArgument, OcrnetError } from '../errors.js';
import type { Graph } from '../ir/graph.js';
import { version } from '../version.js';
import { cpuKind } from './cpu-kind.js';
import { cudaKind } from './cuda-kind.js';
import type { DeviceKind } from './device-kind.js';
import type { GroupMember } from './group.js';
import { type NativeDescription, type NativeDevice, native, withOcrnetErrors } from './native.js';
import { Program } from './program.js';
import { DeviceState } from './state.js';
import { Tuner } from './tuner.js';
import { TuningTable } from './tuning-table.js';
import { Weights } from './weights.js';

/** `auto` is the processor, until CUDA devices are known on more machines; a GPU is used where it is asked for. */
export const deviceNames = ['auto', 'cpu', 'cuda'] as const;
export type DeviceName = (typeof deviceNames)[number];

/** How a device runs; each by default as said. */
export interface DeviceSettings {
  /** Of the CPU: threads that compute; by default one for each core that the process may use. */
  readonly threads?: number;
  /** Of CUDA: which GPU, as `ocrnet doctor` counts them; by default 0. */
  readonly index?: number;
  /**
   * Of CUDA: whether products of float32 numbers may round them to TF32's 10 bits, which is several times faster. By default
   * they do not.
   */
  readonly tf32?: boolean;
  /**
   * A file of measurements, made where there is none: programs run with the algorithms that are fastest on this device by the
   * clock. What the file lacks is measured when a program is loaded, which takes seconds to minutes, and each algorithm's
   * results are compared before it is used. By default algorithms are chosen by estimates.
   */
  readonly tuning?: string;
}

export interface DeviceOptions extends DeviceSettings {
  readonly device?: DeviceName;
}

/** Instruction sets, cores and library versions of this machine, as `ocrnet doctor` prints them. Loads the addon. */
export function describeMachine(): NativeDescription {
  return withOcrnetErrors(() => native().describe());
}

/**
 * Opens a device: one native thread with a queue of jobs. Plans of all models that run on it share its memory.
 *
 * @throws OcrnetError DEVICE_UNAVAILABLE with what is missing and how to get it, INVALID_ARGUMENT
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const { device = 'auto', threads, index, tf32, tuning } = options;
  if (!deviceNames.includes(device)) throw invalidArgument('device', deviceNames.join(' or '), device);
  const isCuda = device === 'cuda';
  for (const [name, value] of Object.entries(isCuda ? { threads } : { index, tf32 }))
    if (value !== undefined) throw invalidArgument(name, `none for the device ${device}`, value);
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024))
    throw invalidArgument('threads', 'an integer from 1 to 1024', threads);
  if (index !== undefined && !(Number.isInteger(index) && index >= 0 && index < 1024))
    throw invalidArgument('index', 'the number of a GPU, from 0', index);
  if (tf32 !== undefined && typeof tf32 !== 'boolean') throw invalidArgument('tf32', 'true or false', tf32);
  if (tuning !== undefined && (typeof tuning !== 'string' || tuning === ''))
    throw invalidArgument('tuning', 'the path of a file', tuning);
  const handle = withOcrnetErrors(() =>
    isCuda
      ? native().openCuda({ ...(index !== undefined && { index }), ...(tf32 !== undefined && { tf32 }) })
      : native().openCpu(threads === undefined ? {} : { threads }),
  );
  try {
    return new Device(handle, tuning);
  } catch (error) {
    await handle.dispose();
    throw error;
  }
}

/**
 * The device that is open, or one of this name with these settings.
 *
 * @throws OcrnetError as {@link openDevice}; INVALID_ARGUMENT for settings of a device that is open
 */
export async function openUnlessOpen(
  device: Device | DeviceName = 'auto',
  { threads, index, tf32, tuning }: DeviceSettings = {},
): Promise<Device> {
  const given = Object.entries({ threads, index, tf32, tuning }).filter(([, value]) => value !== undefined);
  if (!(device instanceof Device)) return openDevice({ device, ...Object.fromEntries(given) });
  for (const [name, value] of given)
    throw invalidArgument(name, 'none with an open device, which has its own', value);
  return device;
}

function kindOf({ info }: NativeDevice, inspect: Target['inspect']): DeviceKind {
  return info.name === 'cpu' ? cpuKind(info, inspect) : cudaKind(info, inspect);
}

/** An open device. */
export class Device implements AsyncDisposable {
  readonly name: 'cpu' | 'cuda';
  readonly target: Target;
  readonly #native: NativeDevice;
  readonly #kind: DeviceKind;
  readonly #tuner: Tuner | undefined;
  #disposed = false;

  /** @throws OcrnetError INVALID_DATA, FILE_UNREADABLE for a file of measurements that is none */
  constructor(handle: NativeDevice, tuning?: string) {
    this.#native = handle;
    this.#kind = kindOf(handle, (layout) =>
      this.#tuner ? this.#tuner.inspect(layout) : withOcrnetErrors(() => handle.inspect(encodePlan(layout))),
    );
    const identity = () => `${this.#kind.identity(describeMachine())}, ocrnet ${version}`;
    this.#tuner = tuning === undefined ? undefined : new Tuner(handle, TuningTable.open(tuning, identity()));
    this.name = handle.info.name;
    this.target = this.#kind.target;
  }

  /** What computes, in few words: "4 threads", "NVIDIA H200". */
  get description(): string {
    return this.#kind.description;
  }

  /** Of the processor that compute; undefined for GPUs. */
  get threads(): number | undefined {
    return this.#kind.threads;
  }

  /** Runs that overlap: of a GPU 2, so that the next is best started before one has ended; of the processor 1, the next only waits. */
  get runsInFlight(): number {
    return this.#kind.runsInFlight;
  }

  /** How so many devices are opened that train together in place of this one: they share its threads, or are the GPUs from it on. */
  replicas(count: number): readonly DeviceOptions[] {
    return this.#kind.replicas(count);
  }

  /** Allocated now for the runs of all loaded programs, which share it. */
  get arenaBytes(): number {
    return this.#native.arenaBytes();
  }

  /** Of the device's memory, now, not in use by any process. */
  get freeBytes(): number {
    this.#requireOpen();
    return withOcrnetErrors(() => this.#native.freeBytes());
  }

  /** Whether networks run in the type: a processor has to compute in it natively. */
  supports(precision: Precision): boolean {
    return this.#kind.precisions.includes(precision);
  }

  /** Whether networks are trained in the type. */
  trains(precision: Precision): boolean {
    return this.#kind.trainingPrecisions.includes(precision);
  }

  /** @throws OcrnetError UNSUPPORTED where networks do not run in the type, with what is missing */
  requirePrecision(precision: Precision): void {
    if (this.supports(precision)) return;
    throw new OcrnetError(
      'UNSUPPORTED',
      `The device ${this.name} has no ${precision} arithmetic: use float32`,
      this.#kind.arithmetic(precision),
    );
  }

  /** @throws OcrnetError UNSUPPORTED where networks are not trained in the type */
  requireTrainingPrecision(precision: Precision): void {
    if (this.trains(precision)) return;
    throw new OcrnetError('UNSUPPORTED', `The device ${this.name} does not train in ${precision}`, {
      expected: this.#kind.trainingPrecisions.join(' or '),
      received: precision,
    });
  }

  /** @throws OcrnetError UNSUPPORTED where the device lacks the precision */
  compile(graph: Graph, options: Omit<CompileOptions, 'target'>): Compiled {
    this.#requireOpen();
    this.requirePrecision(options.precision);
    return compile(graph, { ...options, target: this.target });
  }

  /** Plans a graph that has been through its passes, but for what the device wants. */
  compilePrepared(graph: Graph): Compiled {
    this.#requireOpen();
    return compilePrepared(graph, this.target);
  }

  createWeights(): Weights {
    this.#requireOpen();
    return new Weights(this.#native.createWeights());
  }

  /** Memory for the state of a training plan, all zero. */
  createState(blocks: readonly PlannedState[]): DeviceState {
    this.#requireOpen();
    return new DeviceState(
      withOcrnetErrors(() => this.#native.createState(blocks)),
      blocks,
    );
  }

  /**
   * Validates a plan, prepares its steps and packs the weights for them, on the device's thread.
   *
   * @param member - the device's place in a group, for plans with steps that meet other devices
   * @throws OcrnetError OUT_OF_MEMORY with what was planned and what is free; INVALID_ARGUMENT where state or group is missing
   */
  async load(
    compiled: Compiled,
    weights: Weights,
    state?: DeviceState,
    member?: GroupMember,
  ): Promise<Program> {
    this.#requireOpen();
    const tuned = this.#tuner && !member ? await this.#tuner.tune(compiled, this.target) : compiled;
    this.#kind.requireMemory(tuned.arenaBytes, this.arenaBytes);
    const loaded = await withOcrnetErrors(() =>
      this.#native.load(tuned.bytes, weights.handle, state?.handle, member?.group.handle, member?.index),
    );
    return new Program(loaded, tuned, { inGroup: member !== undefined });
  }

  /** Stops the run in progress at its next step, fails those behind it, frees the memory. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await withOcrnetErrors(() => this.#native.dispose());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #requireOpen(): void {
    if (this.#disposed) throw new OcrnetError('DISPOSED', 'The device was disposed');
  }
}

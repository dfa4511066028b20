import { type Compiled, type CompileOptions, compile, compilePrepared } from '../compile/compile.js';
import type { PlannedState } from '../compile/encode.js';
import type { Precision } from '../compile/passes/assign-precision.js';
import type { Target } from '../compile/target.js';
import { invalidArgument, OcrnetError } from '../errors.js';
import type { Graph } from '../ir/graph.js';
import { cpuTarget } from './cpu-target.js';
import type { GroupMember } from './group.js';
import { type NativeDescription, type NativeDevice, native, withOcrnetErrors } from './native.js';
import { Program } from './program.js';
import { DeviceState } from './state.js';
import { Weights } from './weights.js';

/** `auto` is the best device of this machine. */
export const deviceNames = ['auto', 'cpu'] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface DeviceOptions {
  readonly device?: DeviceName;
  /** Threads that compute; by default one for each core that the process may use. */
  readonly threads?: number;
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
  const { device = 'auto', threads } = options;
  if (!deviceNames.includes(device)) throw invalidArgument('device', deviceNames.join(' or '), device);
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024))
    throw invalidArgument('threads', 'an integer from 1 to 1024', threads);
  const handle = withOcrnetErrors(() => native().openCpu(threads === undefined ? {} : { threads }));
  return new Device(handle);
}

/** An open device. */
export class Device implements AsyncDisposable {
  readonly name = 'cpu';
  readonly target: Target;
  readonly #native: NativeDevice;
  #disposed = false;

  constructor(handle: NativeDevice) {
    this.#native = handle;
    this.target = cpuTarget((plan) => withOcrnetErrors(() => handle.inspect(plan)));
  }

  /** Threads that compute. */
  get threads(): number {
    return this.#native.info.threads;
  }

  /** Allocated now for the runs of all loaded programs, which share it. */
  get arenaBytes(): number {
    return this.#native.arenaBytes();
  }

  /** Whether this processor computes in the type natively; bfloat16 without that would be slower than float32. */
  supports(precision: Precision): boolean {
    return precision === 'float32' || this.#native.info.bfloat16;
  }

  /** @throws OcrnetError UNSUPPORTED where the processor lacks the precision */
  compile(graph: Graph, options: Omit<CompileOptions, 'target'>): Compiled {
    this.#requireOpen();
    if (!this.supports(options.precision))
      throw new OcrnetError('UNSUPPORTED', `This processor has no ${options.precision} arithmetic`, {
        expected: 'AVX512-BF16 or AMX',
        received: this.#native.info.isa,
      });
    return compile(graph, { ...options, target: this.target });
  }

  /** Plans a graph without passes, in float32. */
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
    this.#requireMemory(compiled.arenaBytes);
    const loaded = await withOcrnetErrors(() =>
      this.#native.load(compiled.bytes, weights.handle, state?.handle, member?.group.handle, member?.index),
    );
    return new Program(loaded, compiled, { inGroup: member !== undefined });
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

  /** Systems that promise more memory than they have end the process instead of failing the allocation. */
  #requireMemory(arenaBytes: number): void {
    const free = process.availableMemory() + this.arenaBytes;
    if (arenaBytes <= free) return;
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new OcrnetError('OUT_OF_MEMORY', 'The network does not fit into memory at this input size', {
      expected: `a plan of at most ${gigabytes(free)}, which are free`,
      received: `one of ${gigabytes(arenaBytes)}`,
    });
  }

  #requireOpen(): void {
    if (this.#disposed) throw new OcrnetError('DISPOSED', 'The device was disposed');
  }
}

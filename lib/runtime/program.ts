import type { Compiled } from '../compile/compile.js';
import { invalidArgument, OcrnetError } from '../errors.js';
import { elementCount, formatType, type Shape, type TensorType } from '../ir/tensor-type.js';
import { type NativeAbortToken, type NativeProgram, native, withOcrnetErrors } from './native.js';
import type { RunChain } from './run-chain.js';

/** The JavaScript array that holds a tensor's elements; bfloat16 and float16 travel as their 16 bits. */
export type TensorData = Float32Array | Uint8Array | Uint16Array | Int32Array;

const arrays = {
  float32: Float32Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
} as const;

export interface RunOptions {
  /** Stops a run between two steps, or before it starts. */
  readonly signal?: AbortSignal | undefined;
  /** What the run goes on from: it only runs if those before it in the chain did. */
  readonly chain?: RunChain | undefined;
  /** Measures every step. */
  readonly profile?: boolean;
  /**
   * Runs the plan so many times without a pause, on the same inputs, and measures each: for benchmarks. State changes each
   * time. Not with `profile`.
   */
  readonly repeats?: number;
}

export interface RunResult {
  /** By the names of the graph's outputs. */
  readonly outputs: Readonly<Record<string, TensorData>>;
  /** On the device, waiting for other jobs not counted. */
  readonly elapsedMs: number;
  /** With `profile`: milliseconds of each step of the plan. */
  readonly stepsMs?: Float64Array;
  /** With `repeats`: milliseconds of each run of the plan, by the device's own clock where it has one. */
  readonly repeatsMs?: Float64Array;
}

/** A plan that is ready to run on its device. */
export class Program {
  readonly compiled: Compiled;
  readonly #native: NativeProgram;
  readonly #inGroup: boolean;
  #disposed = false;

  constructor(handle: NativeProgram, compiled: Compiled, { inGroup = false } = {}) {
    this.#native = handle;
    this.#inGroup = inGroup;
    this.compiled = compiled;
  }

  /** Sizes of one of the graph's outputs; undefined where there is none of this name. */
  outputShape(name: string): Shape | undefined {
    return this.compiled.graph.outputs.find((output) => output.name === name)?.value.type.shape;
  }

  /**
   * Runs the plan once. In a group it waits for the other members' runs. The inputs are copied: they may change, or move to
   * another thread, as soon as this returns. On a GPU the next run, of this program or another, is best started before this one
   * is awaited: its inputs and outputs are then copied while the other computes.
   *
   * @throws OcrnetError INVALID_ARGUMENT, ABORTED, DISPOSED, EXECUTION_FAILED
   */
  async run(inputs: Readonly<Record<string, TensorData>>, options: RunOptions = {}): Promise<RunResult> {
    const start = () => this.#start(inputs, options);
    return await (options.chain?.add(start) ?? start());
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#native.dispose();
  }

  /** Throws what the device need not be asked for, at once. */
  #start(inputs: Readonly<Record<string, TensorData>>, options: RunOptions): Promise<RunResult> {
    if (this.#disposed) throw new OcrnetError('DISPOSED', 'The program was disposed');
    const { signal, chain, profile = false, repeats } = options;
    if (signal?.aborted) throw aborted(signal);
    if (repeats !== undefined && (profile || !(Number.isInteger(repeats) && repeats >= 1)))
      throw invalidArgument('repeats', 'an integer from 1, without profile', repeats);
    const { graph } = this.compiled;
    const given = graph.inputs.map(({ name, value }) => copied(name, inputs[name], value.type));
    const outputs = graph.outputs.map(({ name, value }) => [name, emptyTensor(value.type)] as const);
    const token = withOcrnetErrors(() => native().createAbortToken());
    const running = withOcrnetErrors(() =>
      this.#native.run(
        given,
        outputs.map(([, data]) => data),
        {
          token,
          profile,
          ...(chain && { chain: chain.handle }),
          ...(repeats !== undefined && { repeats }),
        },
      ),
    );
    return this.#orAbort(running, token, signal).then(({ elapsedMs, ...times }) => ({
      outputs: Object.fromEntries(outputs),
      elapsedMs,
      ...(times.steps && { stepsMs: times.steps }),
      ...(times.repeats && { repeatsMs: times.repeats }),
    }));
  }

  async #orAbort<T>(running: Promise<T>, token: NativeAbortToken, signal?: AbortSignal): Promise<T> {
    let onAbort = () => {};
    const abortion = new Promise<never>((_, reject) => {
      onAbort = () => {
        token.abort();
        // A member's run is over when it says so: the next one must not meet the rest of this one.
        if (!this.#inGroup) reject(aborted(signal));
      };
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      // The device stops at its next step, or when this run's turn comes; nobody has to wait for that.
      return await Promise.race([running, abortion]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

export function emptyTensor({ dataType, shape }: TensorType): TensorData {
  return new arrays[dataType](elementCount(shape));
}

function copied(name: string, data: TensorData | undefined, type: TensorType): TensorData {
  const wanted = arrays[type.dataType];
  if (data instanceof wanted && data.length === elementCount(type.shape)) return data.slice();
  throw new OcrnetError('INVALID_ARGUMENT', `Invalid input "${name}"`, {
    expected: `${wanted.name} of ${elementCount(type.shape)} elements for ${formatType(type)}`,
    received: data === undefined ? 'nothing' : `${data.constructor.name} of ${data.length}`,
  });
}

const aborted = (signal: AbortSignal | undefined): OcrnetError =>
  new OcrnetError('ABORTED', 'The run was aborted', { cause: signal?.reason });

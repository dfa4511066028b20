import type { Compiled } from '../../lib/compile/compile.js';
import type { Device } from '../../lib/runtime/device.js';
import type { Program, TensorData } from '../../lib/runtime/program.js';

/** One side of a comparison, loaded and ready. */
export interface Contender {
  /** Does the work so many times without a pause; milliseconds of each time, by the GPU's clock. */
  run(count: number): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** Our side, which also tells how it works. */
export interface OurContender extends Contender {
  /** Memory of the plan beyond inputs, outputs and weights. */
  readonly arenaBytes: number;
  /** Of one run, as direct algorithms would do them. */
  readonly flops: number;
  /** Each step of the plan alone, with the gaps between launches that a graph does not have. */
  profile(): Promise<readonly StepTime[]>;
  /** What the peer computes too: a map, or the loss of the first step. */
  result(): Promise<Float32Array>;
}

export interface StepTime {
  readonly path: string;
  readonly op: string;
  readonly algorithm: string;
  readonly ms: number;
}

/** A plan with its inputs, on a device of its own, which goes with it. */
export class PlanContender implements OurContender {
  readonly flops: number;
  readonly #device: Device;
  readonly #program: Program;
  readonly #inputs: Readonly<Record<string, TensorData>>;
  readonly #copies: number;

  /** @param copies - how many times the plan does the work, each on memory of its own */
  constructor(device: Device, program: Program, inputs: Readonly<Record<string, TensorData>>, copies = 1) {
    this.#device = device;
    this.#program = program;
    this.#inputs = inputs;
    this.#copies = copies;
    this.flops = program.compiled.executedFlops / copies;
  }

  get arenaBytes(): number {
    return this.#program.compiled.arenaBytes;
  }

  async run(count: number): Promise<readonly number[]> {
    const { repeatsMs } = await this.#program.run(this.#inputs, { repeats: count });
    return Array.from(repeatsMs as Float64Array, (ms) => ms / this.#copies);
  }

  async profile(): Promise<readonly StepTime[]> {
    const { stepsMs } = await this.#program.run(this.#inputs, { profile: true });
    return stepTimes(this.#program.compiled, stepsMs as Float64Array);
  }

  async result(): Promise<Float32Array> {
    const { outputs } = await this.#program.run(this.#inputs);
    return floats(Object.values(outputs)[0] as TensorData);
  }

  async close(): Promise<void> {
    await this.#device.dispose();
  }
}

/** bfloat16 is the upper half of float32. */
const floats = (values: TensorData): Float32Array =>
  values instanceof Uint16Array
    ? new Float32Array(Uint32Array.from(values, (bits) => bits << 16).buffer)
    : Float32Array.from(values);

export const stepTimes = ({ steps }: Compiled, times: Float64Array): StepTime[] =>
  steps.map(({ node, algorithm }, i) => ({
    path: node.path,
    op: node.spec.name,
    algorithm,
    ms: times[i] as number,
  }));

import type { Compiled } from '../compile/compile.js';
import { OcrnetError } from '../errors.js';
import type { Device } from '../runtime/device.js';
import type { GroupMember } from '../runtime/group.js';
import type { Program, RunResult, TensorData } from '../runtime/program.js';
import { RunChain } from '../runtime/run-chain.js';
import type { DeviceState } from '../runtime/state.js';
import type { Weights } from '../runtime/weights.js';
import type { TrainingStage } from './training-graph.js';

/** One device in a training: the plans of a step and the state that they work on. */
export class Replica {
  readonly state: DeviceState;
  readonly #programs: ReadonlyMap<TrainingStage, Program>;
  readonly #weights: Weights;
  #chain = new RunChain();

  private constructor(state: DeviceState, programs: ReadonlyMap<TrainingStage, Program>, weights: Weights) {
    this.state = state;
    this.#programs = programs;
    this.#weights = weights;
  }

  /**
   * @param fill - sets what the plans read and training leaves
   * @param member - its place among several replicas
   */
  static async load(
    device: Device,
    compiled: ReadonlyMap<TrainingStage, Compiled>,
    fill: (weights: Weights) => void,
    member: GroupMember | undefined,
  ): Promise<Replica> {
    const blocks = new Map(
      [...compiled.values()].flatMap(({ layout }) =>
        layout.states.map((state) => [state.name, state] as const),
      ),
    );
    const state = device.createState([...blocks.values()]);
    const weights = device.createWeights();
    fill(weights);
    const programs = new Map<TrainingStage, Program>();
    for (const [stage, plan] of compiled)
      programs.set(stage, await device.load(plan, weights, state, member));
    return new Replica(state, programs, weights);
  }

  /**
   * Runs a plan, after all that were started before. Behind one that fails none runs until `renew`.
   *
   * @param inputs - those of the plan, and maybe others
   */
  run(
    stage: TrainingStage,
    inputs: Readonly<Record<string, TensorData>>,
    signal: AbortSignal,
  ): Promise<RunResult> {
    return (this.#programs.get(stage) as Program).run(inputs, { signal, chain: this.#chain });
  }

  /** Whether a run has failed since the beginning or `renew`. */
  get failed(): boolean {
    return this.#chain.broken;
  }

  renew(): void {
    this.#chain = new RunChain();
  }

  /** Of a step, beside the state. */
  get arenaBytes(): number {
    return Math.max(...[...this.#programs.values()].map(({ compiled }) => compiled.arenaBytes));
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    this.#weights.dispose();
    this.state.dispose();
  }
}

/**
 * Does all tasks at once and waits until all are over. Where one fails the signal of the others aborts.
 *
 * @throws what failed first; ABORTED only where nothing else was wrong
 */
export async function together<T>(
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal: AbortSignal | undefined,
): Promise<T[]> {
  const failure = new AbortController();
  const either = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const errors: unknown[] = [];
  const results = await Promise.all(
    tasks.map(async (task) => {
      try {
        return await task(either);
      } catch (error) {
        errors.push(error);
        failure.abort(error);
        return undefined;
      }
    }),
  );
  if (errors.length === 0) return results as T[];
  throw errors.find((error) => !(error instanceof OcrnetError && error.code === 'ABORTED')) ?? errors[0];
}

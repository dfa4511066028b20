import { type Compiled, compilePrepared } from '../compile/compile.js';
import { encodePlan, type PlanLayout } from '../compile/encode.js';
import { plan } from '../compile/plan.js';
import type { Inspection, Target } from '../compile/target.js';
import { OcrnetError } from '../errors.js';
import { narrow, widen } from '../ir/float16.js';
import type { Graph, Node, Parameter, Value } from '../ir/graph.js';
import { elementCount, type FloatType, type TensorType } from '../ir/tensor-type.js';
import { type NativeDevice, withOcrnetErrors } from './native.js';
import { Program, type TensorData } from './program.js';
import { type Measured, problemOf, type TuningTable } from './tuning-table.js';
import { Weights } from './weights.js';

/** A measurement lasts at least so long, or so many runs. */
const leastMs = 20;
const mostRuns = 20;
/** What takes so many times as long is not measured again. */
const hopelesslySlower = 10;

/**
 * Each element may differ from the reference's by so much of its magnitude and of the root of the mean square: of what rounding
 * to the type of the operands makes of a long sum, some ten standard deviations, and a hundredth of what any mistake makes.
 */
const tolerances = { float32: 1e-4, tf32: 5e-3, bfloat16: 2e-2, float16: 5e-3 } as const;
const halfTypes = ['bfloat16', 'float16'] as const;

/** Chooses algorithms by the clock instead of the device's estimates. */
export class Tuner {
  readonly #native: NativeDevice;
  readonly #table: TuningTable;
  readonly #inspect: (layout: PlanLayout) => readonly Inspection[];
  /** Of which it was said that they cannot be had. */
  readonly #missing = new Set<string>();

  constructor(native: NativeDevice, table: TuningTable) {
    this.#native = native;
    this.#table = table;
    this.#inspect = (layout) => withOcrnetErrors(() => native.inspect(encodePlan(layout)));
  }

  /** What the device chooses, or what was faster where that is known and can be had. */
  inspect(layout: PlanLayout): readonly Inspection[] {
    const candidates = this.#candidates(layout);
    return this.#inspect(layout).map((chosen, i) => {
      const step = layout.steps[i];
      const known = step ? this.#table.byTime(problemOf(layout, step)) : [];
      return fastestOf(candidates[i] ?? [], known) ?? chosen;
    });
  }

  /**
   * Measures what the table lacks of a plan's problems, and saves it. Candidates run on the problem itself, on random numbers;
   * one whose results are not those of the first, or that fails, is never chosen, which a warning says, as it does where the
   * table's fastest cannot be had here.
   *
   * @returns the plan with the fastest algorithms
   * @throws OcrnetError EXECUTION_FAILED where an algorithm leaves the device unusable: the table then says that it is wrong,
   *   so that the next device that is opened does without it
   */
  async tune(compiled: Compiled, target: Target): Promise<Compiled> {
    const candidates = this.#candidates(compiled.layout);
    const parameters = new Set(compiled.graph.parameters.map(({ value }) => value));
    let [measuredAny, isFastest] = [false, true];
    const missing = new Set<string>();
    for (const [i, step] of compiled.layout.steps.entries()) {
      const { node } = compiled.steps[i] as Compiled['steps'][number];
      const names = (candidates[i] ?? []).map(({ name }) => name);
      const problem = problemOf(compiled.layout, step);
      if (names.length < 2) continue;
      if (!isComplete(this.#table.get(problem), names)) {
        this.#table.set(problem, await this.#measure(problem, node, names, parameters, target));
        measuredAny = true;
      }
      const known = this.#table.byTime(problem);
      const fastest = fastestOf(candidates[i] ?? [], known)?.name;
      if (compiled.steps[i]?.algorithm !== fastest) isFastest = false;
      if (known[0] !== undefined && known[0] !== fastest) missing.add(known[0]);
    }
    for (const name of missing) this.#warnOfMissing(name);
    if (measuredAny) await this.#table.save();
    return isFastest ? compiled : { ...compiled, ...plan(compiled.graph, target) };
  }

  async #measure(
    problem: string,
    node: Node,
    names: readonly string[],
    parameters: ReadonlySet<Value>,
    target: Target,
  ): Promise<Measured> {
    const graph = graphOf(node, parameters);
    const inputs = Object.fromEntries(
      graph.inputs.map(({ name, value }, i) => [name, randomTensor(value.type, i)]),
    );
    const weights = new Weights(this.#native.createWeights());
    const loaded: Candidate[] = [];
    const wrong = [...(this.#table.get(problem)?.wrong ?? [])];
    try {
      for (const [i, { name, value }] of graph.parameters.entries())
        weights.set(name, value.type.shape, randomFloats(elementCount(value.type.shape), 100 + i));
      let reference: readonly TensorData[] | undefined;
      const leaveOut = (name: string, why: string) => {
        wrong.push(name);
        process.emitWarning(`"${name}" ${why} and is left out: ${problem}`, {
          code: 'OCRNET_WRONG_ALGORITHM',
        });
      };
      for (const name of names.filter((one) => !wrong.includes(one))) {
        const ran = await this.#runOnce(graph, name, weights, target, inputs).catch(async (error: Error) => {
          if (loaded[0] === undefined) throw error;
          leaveOut(name, `fails on this device (${error.message})`);
          await loaded[0].program
            .run(inputs)
            .catch((cause: Error) => this.#giveUp(problem, name, wrong, cause));
        });
        if (!ran) continue;
        loaded.push(ran.candidate);
        reference ??= ran.outputs;
        if (!ran.outputs.every((output, i) => this.#agrees(output, (reference ?? [])[i], node, i)))
          leaveOut(name, `gives other results than "${names[0]}" on this device`);
      }
      const right = loaded.filter(({ name }) => !wrong.includes(name));
      return { milliseconds: await timesOf(right, inputs), wrong };
    } finally {
      for (const { program } of loaded) program.dispose();
      weights.dispose();
    }
  }

  async #giveUp(problem: string, name: string, wrong: string[], cause: Error): Promise<never> {
    this.#table.set(problem, { milliseconds: {}, wrong });
    await this.#table.save();
    throw new OcrnetError('EXECUTION_FAILED', `"${name}" has left the device unusable`, {
      expected: `a device that is opened anew: ${this.#table.path} leaves the algorithm out from now on`,
      received: cause.message,
      cause,
    });
  }

  async #runOnce(
    graph: Graph,
    name: string,
    weights: Weights,
    target: Target,
    inputs: Readonly<Record<string, TensorData>>,
  ): Promise<{ candidate: Candidate; outputs: readonly TensorData[] }> {
    const program = await this.#load(graph, name, weights, target);
    try {
      const { outputs, elapsedMs } = await program.run(inputs);
      return { candidate: { name, program, firstMs: elapsedMs }, outputs: Object.values(outputs) };
    } catch (error) {
      program.dispose();
      throw error;
    }
  }

  async #load(graph: Graph, algorithm: string, weights: Weights, target: Target): Promise<Program> {
    const inspect = (layout: PlanLayout) =>
      (this.#candidates(layout)[0] ?? []).filter(({ name }) => name === algorithm);
    const compiled = compilePrepared(graph, { ...target, inspect });
    const handle = await withOcrnetErrors(() => this.#native.load(compiled.bytes, weights.handle));
    return new Program(handle, compiled);
  }

  /** Of the node's output `index`. */
  #agrees(output: TensorData, reference: TensorData | undefined, node: Node, index: number): boolean {
    const types = Object.values(node.inputs).map(({ type }) => type.dataType);
    const { info } = this.#native;
    const exact = info.name === 'cuda' && info.tf32 ? 'tf32' : 'float32';
    const tolerance = tolerances[halfTypes.find((type) => types.includes(type)) ?? exact];
    const type = Object.values(node.outputs)[index]?.type.dataType as FloatType;
    const numbers = (data: TensorData) => widen(data as Float32Array | Uint16Array, type);
    return reference !== undefined && agrees(numbers(output), numbers(reference), tolerance);
  }

  #warnOfMissing(name: string): void {
    if (this.#missing.has(name)) return;
    this.#missing.add(name);
    process.emitWarning(
      `"${name}" is fastest by ${this.#table.path}, but is not offered here: the fastest of the other algorithms run instead. \`ocrnet doctor\` tells whether cuDNN was found`,
      { code: 'OCRNET_MISSING_ALGORITHM' },
    );
  }

  #candidates(layout: PlanLayout): readonly (readonly Inspection[])[] {
    return withOcrnetErrors(() => this.#native.candidates(encodePlan(layout)));
  }
}

/** One that is ready to run, and what its first run took, with all that is done but once. */
interface Candidate {
  readonly name: string;
  readonly program: Program;
  readonly firstMs: number;
}

/** Milliseconds by name; of one that was far slower than another at once, those of its first run. */
async function timesOf(
  candidates: readonly Candidate[],
  inputs: Readonly<Record<string, TensorData>>,
): Promise<Record<string, number>> {
  const leastFirstMs = Math.min(...candidates.map(({ firstMs }) => firstMs));
  const times: Record<string, number> = {};
  for (const { name, program, firstMs } of candidates) {
    if (firstMs > hopelesslySlower * leastFirstMs) {
      times[name] = firstMs;
      continue;
    }
    const repeats = Math.max(3, Math.min(mostRuns, Math.ceil(leastMs / firstMs)));
    const { repeatsMs = [] } = await program.run(inputs, { repeats });
    times[name] = Math.max(median(repeatsMs), 1e-6); // a clock may be too coarse
  }
  return times;
}

/** The first of the names, fastest first, that is a candidate. */
function fastestOf(candidates: readonly Inspection[], byTime: readonly string[]): Inspection | undefined {
  const available = new Map(candidates.map((candidate) => [candidate.name, candidate]));
  const fastest = byTime.find((name) => available.has(name));
  return fastest === undefined ? undefined : available.get(fastest);
}

const isComplete = (measured: Measured | undefined, names: readonly string[]): boolean =>
  measured !== undefined &&
  names.every((name) => name in measured.milliseconds || measured.wrong.includes(name));

/** Whether each element is the reference's but for `tolerance` of it and of the root of the mean square; NaN never is. */
export function agrees(output: Float32Array, reference: Float32Array, tolerance: number): boolean {
  let squares = 0;
  for (const x of reference) squares += x * x;
  const scale = Math.sqrt(squares / reference.length);
  return output.every((x, i) => {
    const expected = reference[i] as number;
    return Math.abs(x - expected) <= tolerance * (Math.abs(expected) + scale);
  });
}

/** A network of one node: its operands come from outside, parameters stay parameters. */
function graphOf(node: Node, parameters: ReadonlySet<Value>): Graph {
  const names = new Map<Value, string>();
  for (const [name, value] of Object.entries(node.inputs)) if (!names.has(value)) names.set(value, name);
  const operands = [...names].map(([value, name]) => ({ name, value }));
  const source: Parameter['source'] = {
    kind: 'stored',
    fileLayout: 'plain',
    initializer: { kind: 'constant', value: 0 },
    trainable: false,
  };
  return {
    inputs: operands.filter(({ value }) => !parameters.has(value)),
    parameters: operands.filter(({ value }) => parameters.has(value)).map((one) => ({ ...one, source })),
    nodes: [node],
    outputs: Object.entries(node.outputs).map(([name, value]) => ({ name, value })),
    states: [],
    updates: [],
  };
}

function randomTensor({ dataType, shape }: TensorType, seed: number): TensorData {
  return narrow(randomFloats(elementCount(shape), seed), dataType as FloatType);
}

/** Uniform in ±1, by the generator of Numerical Recipes: the same for equal seeds. */
function randomFloats(count: number, seed: number): Float32Array {
  let state = (seed * 0x9e3779b9 + 1) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x80000000 - 1;
  });
}

function median(values: ArrayLike<number>): number {
  const sorted = Array.from(values).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

import { eachWeight, type ReadParameter } from '../checkpoint/weights.js';
import { requireSeed } from '../data/random.js';
import { invalidArgument, OcrnetError } from '../errors.js';
import { type Parameter, type StatePart, storedParameters } from '../ir/graph.js';
import { elementCount } from '../ir/tensor-type.js';
import { hasAuxiliary } from '../models/contexts/index.js';
import { buildSegmenter, type SegmenterConfig, trainingLabelType } from '../models/segmenter.js';
import { Device } from '../runtime/device.js';
import { DeviceGroup } from '../runtime/group.js';
import type { DeviceState } from '../runtime/state.js';
import type { Weights } from '../runtime/weights.js';
import type { ParameterArena } from './parameter-arena.js';
import { Replica, together } from './replica.js';
import { buildTrainingGraph, type TrainingGraphOptions, type TrainingStage } from './training-graph.js';

export interface TrainingProgramOptions
  extends Omit<TrainingGraphOptions, 'alignCorners' | 'labelSize' | 'labelType' | 'averagesOverGroup'> {
  /** Pictures at a time, on all devices together. */
  readonly batch: number;
  /** Of the pictures, in pixels. */
  readonly height: number;
  readonly width: number;
  /** Batches whose gradients are averaged before the parameters change; by default 1. */
  readonly accumulate?: number;
  /** Where the parameters start: a checkpoint, or an initialiser. */
  readonly initial: ReadParameter;
  /** Of the random numbers of dropout, an integer from 0 to 2⁵³ − 1; by default 0. */
  readonly seed?: number;
  /** Stops between two steps of a plan. */
  readonly signal?: AbortSignal;
}

/** A batch: RGB bytes (N, H, W, 3) and class indices (N, H, W). */
export interface TrainingBatch {
  readonly image: Uint8Array;
  readonly label: Uint8Array | Uint16Array;
}

export interface TrainingResult {
  /** Of the final scores, averaged over the accumulated batches. */
  readonly finalLoss: number;
  /** Of the auxiliary scores, weighted; for networks that have them. */
  readonly auxiliaryLoss?: number;
  /** The sum: what is trained. */
  readonly loss: number;
  /** Before clipping, where the optimiser measures it. */
  readonly gradientNorm?: number;
  /** That gradients were computed with, where losses are scaled. */
  readonly lossScale?: number;
  /** Whether the step changed nothing but the scale, since a scaled gradient was not finite. */
  readonly skipped?: boolean;
  /** On the device. */
  readonly elapsedMs: number;
}

/** Which numbers: as trained, or their moving average. */
export type WeightKind = 'trained' | 'average';

/**
 * A network in training on a device: forward, losses, backward and optimiser as one plan, and the state that it works on. One
 * call trains one step and is asynchronous; nothing else happens on the event loop.
 *
 * On several devices each has a replica of the network and an equal part of each batch. The gradients are averaged before the
 * parameters change, batch norms take the whole batch together unless told otherwise, dropout drops of each picture what one
 * device would, and all replicas stay equal, bit by bit.
 * A replica's loss is the mean over the pixels that it counts: where ignored pixels are spread unevenly, or only hard ones
 * count, the mean of these means is not quite the mean over the whole batch that one device would have taken.
 */
export class TrainingProgram {
  readonly config: SegmenterConfig;
  readonly arena: ParameterArena;
  /** Those that a checkpoint of the network holds. */
  readonly parameters: readonly Parameter[];
  readonly #replicas: readonly Replica[];
  readonly #group: DeviceGroup | undefined;
  readonly #batch: number;
  readonly #accumulate: number;
  readonly #seed: number;
  /** Ends with all steps that were started. */
  #running: Promise<unknown> = Promise.resolve();
  #recovery: Promise<void> | undefined;

  private constructor(parts: {
    config: SegmenterConfig;
    arena: ParameterArena;
    parameters: readonly Parameter[];
    replicas: readonly Replica[];
    group: DeviceGroup | undefined;
    batch: number;
    accumulate: number;
    seed: number;
  }) {
    this.config = parts.config;
    this.arena = parts.arena;
    this.parameters = parts.parameters;
    this.#replicas = parts.replicas;
    this.#group = parts.group;
    this.#batch = parts.batch;
    this.#accumulate = parts.accumulate;
    this.#seed = parts.seed;
  }

  /**
   * Compiles and loads the plans and starts the parameters.
   *
   * @param device - or several, each of which then has a replica of the network and an equal part of every batch
   * @throws OcrnetError INVALID_ARGUMENT, OUT_OF_MEMORY with what was planned and what is free, UNSUPPORTED
   */
  static async create(
    device: Device | readonly Device[],
    config: SegmenterConfig,
    options: TrainingProgramOptions,
  ): Promise<TrainingProgram> {
    const devices = device instanceof Device ? [device] : device;
    const { batch, accumulate = 1, precision = 'float32', seed = 0 } = options;
    requireSeed(seed);
    for (const one of devices) one.requireTrainingPrecision(precision);
    const graphs = trainingStages(accumulate).map(
      (stage) => [stage, trainingGraphOf(config, stage, partOf(options, devices.length))] as const,
    );
    const [, first] = graphs[0] as (typeof graphs)[number];
    const { arena } = first;
    const fill = (weights: Weights) => {
      for (const [{ name, value }, data] of eachWeight(first.graph, options.initial))
        weights.set(name, value.type.shape, data);
    };
    const group = devices.length > 1 ? new DeviceGroup(devices.length) : undefined;
    const replicas: Replica[] = [];
    for (const [i, one] of devices.entries()) {
      const compiled = new Map(graphs.map(([stage, { graph }]) => [stage, one.compilePrepared(graph)]));
      replicas.push(await Replica.load(one, compiled, fill, group?.member(i)));
    }
    const parameters = storedParameters(first.network);
    const numbers = { batch, accumulate, seed };
    const program = new TrainingProgram({ config, arena, parameters, replicas, group, ...numbers });
    const all = <T>(of: (graph: (typeof graphs)[number][1]) => ReadonlyMap<string, T>) =>
      new Map(graphs.flatMap(([, graph]) => [...of(graph)]));
    await program.#start(
      options.initial,
      all(({ copies }) => copies),
      all(({ starts }) => starts),
    );
    return program;
  }

  /** Of the first replica; those of the others have the same bits. Who writes it calls {@link shareState}. */
  get state(): DeviceState {
    return (this.#replicas[0] as Replica).state;
  }

  /** Of all replicas. */
  get states(): readonly DeviceState[] {
    return this.#replicas.map(({ state }) => state);
  }

  /** Gives all replicas the state of the first. */
  async shareState(): Promise<void> {
    const [first, ...others] = this.states as [DeviceState, ...DeviceState[]];
    if (others.length === 0) return;
    for (const { name } of first.blocks) {
      const numbers = await first.read(name);
      await Promise.all(others.map((state) => state.write(name, numbers)));
    }
  }

  /** Memory of one step beside the state, as planned, on each device: activations, gradients and scratch. */
  get arenaBytes(): number {
    return Math.max(...this.#replicas.map(({ arenaBytes }) => arenaBytes));
  }

  /**
   * Trains one step. Where runs overlap (`Device.runsInFlight`) the next is best started before the result has come: its pictures
   * are copied to the device meanwhile. After a step that failed the state is where it came to, steps that were started behind
   * it reject with ABORTED, and the next one goes on from there; of several replicas from the state of the first.
   *
   * @param batches - as many as gradients are accumulated over
   * @param step - number of the step from 0
   */
  async step(
    batches: readonly TrainingBatch[],
    { learningRate, step, signal }: { learningRate: number; step: number; signal?: AbortSignal | undefined },
  ): Promise<TrainingResult> {
    if (batches.length !== this.#accumulate)
      throw new OcrnetError('INVALID_ARGUMENT', 'Invalid batches', {
        expected: `${this.#accumulate}, as many as gradients are accumulated over`,
        received: `${batches.length}`,
      });
    if (this.#replicas.some(({ failed }) => failed)) await this.#recover();
    // Started at once, in their order: the runs need not wait for this thread between them.
    const runs = batches.map((batch, i) => (stop: AbortSignal) => {
      const numbers = {
        schedule: Float32Array.of(learningRate, step + 1),
        accumulation: Float32Array.of(i === 0 ? 0 : 1, 1 / this.#accumulate),
      };
      return this.#run(this.#stageOf(i), batch, step * this.#accumulate + i, numbers, stop);
    });
    const [before, running] = [this.#running, together(runs, signal)];
    this.#running = running.catch(() => {}).then(() => before);
    return average(await running);
  }

  /** Reads the parameters and running statistics, in the graph's layout. */
  async readWeights(kind: WeightKind = 'trained'): Promise<ReadParameter> {
    const names = kind === 'average' ? averageBlocks : trainedBlocks;
    const read = async (name: string, parts: readonly StatePart[]) =>
      parts.length > 0 ? await this.state.read(name) : new Float32Array();
    const [parameters, statistics] = [
      await read(names.parameters, this.arena.parameters),
      await read(names.statistics, this.arena.statistics),
    ];
    const views = new Map<string, Float32Array>([
      ...this.arena.parameters.map((part) => [part.name, viewOf(part, parameters)] as const),
      ...this.arena.statistics.map((part) => [part.name, viewOf(part, statistics)] as const),
    ]);
    return ({ name }) => {
      const view = views.get(name);
      if (!view) throw new OcrnetError('INVALID_WEIGHTS', `"${name}" is not part of this training`);
      return view;
    };
  }

  /** Whether a moving average is kept beside the parameters. */
  get keepsAverage(): boolean {
    return this.state.blocks.some(({ name }) => name === averageBlocks.parameters);
  }

  dispose(): void {
    for (const replica of this.#replicas) replica.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #stageOf(batch: number): TrainingStage {
    if (this.#accumulate === 1) return 'update';
    return batch === this.#accumulate - 1 ? 'accumulate-and-update' : 'accumulate';
  }

  /** Runs a plan on all replicas at once, each with its part of the batch. */
  async #run(
    stage: TrainingStage,
    { image, label }: TrainingBatch,
    run: number,
    numbers: Readonly<Record<string, Float32Array>>,
    signal: AbortSignal,
  ): Promise<TrainingResult> {
    const count = this.#replicas.length;
    const tasks = this.#replicas.map((replica, i) => async (stop: AbortSignal) => {
      const part = <T extends TrainingBatch['image' | 'label']>(all: T) =>
        all.subarray((i * all.length) / count, ((i + 1) * all.length) / count);
      const own = { image: part(image), labels: part(label) };
      const noise = noiseOf(this.#seed, run, (i * this.#batch) / count);
      const { outputs, elapsedMs } = await replica.run(stage, { ...own, noise, ...numbers }, stop);
      return resultOf(outputs as Record<string, Float32Array>, elapsedMs);
    });
    const results = await together(tasks, signal);
    return { ...average(results), elapsedMs: Math.max(...results.map(({ elapsedMs }) => elapsedMs)) };
  }

  /** After a step that failed: some replicas may have come farther than others. Once for all steps that wait for it. */
  async #recover(): Promise<void> {
    const recover = async () => {
      await this.#running;
      this.#group?.renew();
      await this.shareState();
      for (const replica of this.#replicas) replica.renew();
    };
    this.#recovery ??= recover().finally(() => {
      this.#recovery = undefined;
    });
    await this.#recovery;
  }

  async #start(
    initial: ReadParameter,
    copies: ReadonlyMap<string, string>,
    starts: ReadonlyMap<string, readonly number[]>,
  ): Promise<void> {
    for (const [block, numbers] of starts) await this.state.write(block, Float32Array.from(numbers));
    const byName = new Map(this.parameters.map((parameter) => [parameter.name, parameter]));
    for (const [block, parts] of [
      ['parameters', this.arena.parameters],
      ['statistics', this.arena.statistics],
    ] as const) {
      for (const { name, offset } of parts)
        await this.state.write(block, initial(byName.get(name) as Parameter), offset);
      for (const [copy, original] of copies)
        if (original === block) await this.state.write(copy, await this.state.read(block));
    }
    await this.shareState();
  }
}

const trainedBlocks = { parameters: 'parameters', statistics: 'statistics' };
const averageBlocks = { parameters: 'averageParameters', statistics: 'averageStatistics' };

const trainingStages = (accumulate: number): TrainingStage[] =>
  accumulate === 1 ? ['update'] : ['accumulate', 'accumulate-and-update'];

/** What one of several replicas does of a training. */
function partOf(options: TrainingProgramOptions, replicas: number): GraphOptions {
  const { batch, synchronisedBatchNorm = true } = options;
  if (replicas < 1 || batch % replicas !== 0)
    throw invalidArgument('batch', `a multiple of the number of replicas, ${replicas}`, batch);
  const several = replicas > 1;
  return {
    ...options,
    batch: batch / replicas,
    averagesOverGroup: several,
    synchronisedBatchNorm: several && synchronisedBatchNorm,
  };
}

type GraphOptions = Omit<TrainingProgramOptions, 'initial' | 'signal' | 'seed'> &
  Pick<TrainingGraphOptions, 'averagesOverGroup'>;

/** The graph of one stage of a network's training, without a device: for summaries too. */
export function trainingGraphOf(config: SegmenterConfig, stage: TrainingStage, options: GraphOptions) {
  const { batch, height, width } = options;
  const network = buildSegmenter(config, {
    batch,
    height,
    width,
    outputs: hasAuxiliary(config.context) ? ['logits', 'auxiliaryLogits'] : ['logits'],
    training: true,
  });
  const training = buildTrainingGraph(network, stage, {
    ...options,
    alignCorners: config.alignCorners,
    labelSize: { height, width },
    labelType: trainingLabelType(config),
  });
  return { ...training, network };
}

/** What dropout draws in a run on the pictures from the `first` of the batch on: see lib/ops/dropout.ts. */
const noiseOf = (seed: number, run: number, first: number): Int32Array =>
  Int32Array.of(seed, Math.floor(seed / 2 ** 32), run, first);

function resultOf(outputs: Readonly<Record<string, Float32Array>>, elapsedMs: number): TrainingResult {
  const scalar = (name: string) => outputs[name]?.[0];
  const finalLoss = scalar('finalLoss') as number;
  const auxiliaryLoss = scalar('auxiliaryLoss');
  const gradientNorm = scalar('gradientNorm');
  const lossScale = scalar('lossScale');
  return {
    finalLoss,
    ...(auxiliaryLoss !== undefined && { auxiliaryLoss }),
    loss: finalLoss + (auxiliaryLoss ?? 0),
    ...(gradientNorm !== undefined && { gradientNorm }),
    ...(lossScale !== undefined && { lossScale, skipped: scalar('gradientScale') === 0 }),
    elapsedMs,
  };
}

function average(results: readonly TrainingResult[]): TrainingResult {
  const last = results.at(-1) as TrainingResult;
  const mean = (of: (result: TrainingResult) => number | undefined) =>
    results.reduce((sum, result) => sum + (of(result) ?? 0), 0) / results.length;
  return {
    ...last,
    finalLoss: mean(({ finalLoss }) => finalLoss),
    ...(last.auxiliaryLoss !== undefined && { auxiliaryLoss: mean(({ auxiliaryLoss }) => auxiliaryLoss) }),
    loss: mean(({ loss }) => loss),
    elapsedMs: results.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0),
  };
}

const viewOf = ({ value, offset }: StatePart, block: Float32Array): Float32Array =>
  block.subarray(offset, offset + elementCount(value.type.shape));

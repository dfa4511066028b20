import { eachWeight, type ReadParameter } from '../checkpoint/weights.js';
import { OcrnetError } from '../errors.js';
import { type Parameter, type StatePart, storedParameters } from '../ir/graph.js';
import { elementCount } from '../ir/tensor-type.js';
import { buildSegmenter, type SegmenterConfig, trainingLabelType } from '../models/segmenter.js';
import type { Device } from '../runtime/device.js';
import type { Program } from '../runtime/program.js';
import type { DeviceState } from '../runtime/state.js';
import type { Weights } from '../runtime/weights.js';
import type { ParameterArena } from './parameter-arena.js';
import { buildTrainingGraph, type TrainingGraphOptions, type TrainingStage } from './training-graph.js';

export interface TrainingProgramOptions
  extends Omit<TrainingGraphOptions, 'alignCorners' | 'labelSize' | 'labelType'> {
  readonly batch: number;
  /** Of the pictures, in pixels. */
  readonly height: number;
  readonly width: number;
  /** Batches whose gradients are averaged before the parameters change; by default 1. */
  readonly accumulate?: number;
  /** Where the parameters start: a checkpoint, or an initialiser. */
  readonly initial: ReadParameter;
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
  /** Of the region scores, weighted; for networks with regions. */
  readonly regionLoss?: number;
  /** The sum: what is trained. */
  readonly loss: number;
  /** Before clipping, where the optimiser measures it. */
  readonly gradientNorm?: number;
  /** On the device. */
  readonly elapsedMs: number;
}

/** Which numbers: as trained, or their moving average. */
export type WeightKind = 'trained' | 'average';

/**
 * A network in training on a device: forward, losses, backward and optimiser as one plan, and the state that it works on. One
 * call trains one step and is asynchronous; nothing else happens on the event loop.
 */
export class TrainingProgram {
  readonly config: SegmenterConfig;
  readonly arena: ParameterArena;
  /** Those that a checkpoint of the network holds. */
  readonly parameters: readonly Parameter[];
  readonly state: DeviceState;
  readonly #programs: ReadonlyMap<TrainingStage, Program>;
  readonly #weights: Weights;
  readonly #accumulate: number;

  private constructor(parts: {
    config: SegmenterConfig;
    arena: ParameterArena;
    parameters: readonly Parameter[];
    state: DeviceState;
    programs: ReadonlyMap<TrainingStage, Program>;
    weights: Weights;
    accumulate: number;
  }) {
    this.config = parts.config;
    this.arena = parts.arena;
    this.parameters = parts.parameters;
    this.state = parts.state;
    this.#programs = parts.programs;
    this.#weights = parts.weights;
    this.#accumulate = parts.accumulate;
  }

  /**
   * Compiles and loads the plans and starts the parameters.
   *
   * @throws OcrnetError INVALID_ARGUMENT, OUT_OF_MEMORY with what was planned and what is free, UNSUPPORTED
   */
  static async create(
    device: Device,
    config: SegmenterConfig,
    options: TrainingProgramOptions,
  ): Promise<TrainingProgram> {
    const { accumulate = 1 } = options;
    const graphs = trainingStages(accumulate).map(
      (stage) => [stage, trainingGraphOf(config, stage, options)] as const,
    );
    const [, first] = graphs[0] as (typeof graphs)[number];
    const { arena } = first;
    const compiled = graphs.map(([stage, { graph }]) => [stage, device.compilePrepared(graph)] as const);
    const blocks = new Map(
      compiled.flatMap(([, { layout }]) => layout.states.map((state) => [state.name, state] as const)),
    );
    const state = device.createState([...blocks.values()]);
    const weights = device.createWeights();
    const parameters = storedParameters(first.network);
    for (const [{ name, value }, data] of eachWeight(first.graph, options.initial))
      weights.set(name, value.type.shape, data);
    const programs = new Map<TrainingStage, Program>();
    for (const [stage, plan] of compiled) programs.set(stage, await device.load(plan, weights, state));
    const program = new TrainingProgram({ config, arena, parameters, state, programs, weights, accumulate });
    await program.#start(options.initial, new Map(graphs.flatMap(([, { copies }]) => [...copies])));
    return program;
  }

  /** Memory of one step beside the state, as planned: activations, gradients and scratch. */
  get arenaBytes(): number {
    return Math.max(...[...this.#programs.values()].map(({ compiled }) => compiled.arenaBytes));
  }

  /**
   * Trains one step.
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
    const results: TrainingResult[] = [];
    for (const [i, { image, label }] of batches.entries()) {
      const program = this.#programs.get(this.#stageOf(i)) as Program;
      const { outputs, elapsedMs } = await program.run(
        inputsOf(program, {
          image,
          labels: label,
          schedule: Float32Array.of(learningRate, step + 1),
          accumulation: Float32Array.of(i === 0 ? 0 : 1, 1 / this.#accumulate),
        }),
        { signal },
      );
      results.push(resultOf(outputs as Record<string, Float32Array>, elapsedMs));
    }
    return average(results);
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
    for (const program of this.#programs.values()) program.dispose();
    this.#weights.dispose();
    this.state.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #stageOf(batch: number): TrainingStage {
    if (this.#accumulate === 1) return 'update';
    return batch === this.#accumulate - 1 ? 'accumulate-and-update' : 'accumulate';
  }

  async #start(initial: ReadParameter, copies: ReadonlyMap<string, string>): Promise<void> {
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
  }
}

const trainedBlocks = { parameters: 'parameters', statistics: 'statistics' };
const averageBlocks = { parameters: 'averageParameters', statistics: 'averageStatistics' };

const trainingStages = (accumulate: number): TrainingStage[] =>
  accumulate === 1 ? ['update'] : ['accumulate', 'accumulate-and-update'];

/** The graph of one stage of a network's training, without a device: for summaries too. */
export function trainingGraphOf(
  config: SegmenterConfig,
  stage: TrainingStage,
  options: Omit<TrainingProgramOptions, 'initial' | 'signal'>,
) {
  const { batch, height, width } = options;
  const hasRegions = config.context.kind === 'ocr';
  const network = buildSegmenter(config, {
    batch,
    height,
    width,
    outputs: hasRegions ? ['logits', 'regionLogits'] : ['logits'],
  });
  const training = buildTrainingGraph(network, stage, {
    ...options,
    alignCorners: config.alignCorners,
    labelSize: { height, width },
    labelType: trainingLabelType(config),
  });
  return { ...training, network };
}

function inputsOf<T>(program: Program, all: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(program.compiled.graph.inputs.map(({ name }) => [name, all[name] as T]));
}

function resultOf(outputs: Readonly<Record<string, Float32Array>>, elapsedMs: number): TrainingResult {
  const scalar = (name: string) => outputs[name]?.[0];
  const finalLoss = scalar('finalLoss') as number;
  const regionLoss = scalar('regionLoss');
  const gradientNorm = scalar('gradientNorm');
  return {
    finalLoss,
    ...(regionLoss !== undefined && { regionLoss }),
    loss: finalLoss + (regionLoss ?? 0),
    ...(gradientNorm !== undefined && { gradientNorm }),
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
    ...(last.regionLoss !== undefined && { regionLoss: mean(({ regionLoss }) => regionLoss) }),
    loss: mean(({ loss }) => loss),
    elapsedMs: results.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0),
  };
}

const viewOf = ({ value, offset }: StatePart, block: Float32Array): Float32Array =>
  block.subarray(offset, offset + elementCount(value.type.shape));

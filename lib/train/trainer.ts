import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkSplit } from '../data/check-split.js';
import type { Dataset, Split } from '../data/dataset.js';
import { inLists, mapInOrder } from '../data/in-order.js';
import type { Batch, Loader } from '../data/loader.js';
import { OcrnetError } from '../errors.js';
import type { Evaluation } from '../evaluate/evaluate.js';
import { writeFileAtomic } from '../files.js';
import { combineLoggers, type EventOf, type TrainingEvent, type TrainingLogger } from '../logging/events.js';
import { jsonLinesLogger } from '../logging/json-lines.js';
import { tensorBoardLogger } from '../logging/tensorboard.js';
import type { SegmenterConfig } from '../models/segmenter.js';
import type { Schedule } from '../optim/index.js';
import {
  type Device,
  type DeviceName,
  type DeviceSettings,
  openDevice,
  openUnlessOpen,
} from '../runtime/device.js';
import { createModel } from '../serve/load-model.js';
import type { Model } from '../serve/model.js';
import { CheckpointStore, restoreState, type StoredCheckpoint } from './checkpoints.js';
import { evaluateWith, writeTrainingReport } from './outcome.js';
import { type Recipe, recipeText, scheduleOf } from './recipe.js';
import { configOf, networkName } from './recipe-network.js';
import { loaderOf, programOf } from './setup.js';
import type { TrainingProgram, TrainingResult } from './training-program.js';

export interface TrainerOptions extends DeviceSettings {
  readonly recipe: Recipe;
  readonly dataset: Dataset;
  /** Where everything is written; made if it is not there. Without it nothing is written. */
  readonly folder?: string;
  /** Goes on from the newest checkpoint in the folder. */
  readonly resume?: boolean;
  /** An open device, which stays open, or the name of one. Several replicas get devices of their own. */
  readonly device?: Device | DeviceName;
  /** Ends the training after what runs, a step or on GPUs two, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Called at once with everything that happens, beside the iteration: a hook for who does not iterate. */
  readonly onEvent?: (event: TrainingEvent) => void;
}

/**
 * Trains a network as a recipe says. Iterating over it trains: each event is a step that was done, an evaluation or a
 * checkpoint, and the iteration ends with the last step. Leaving the loop, or the signal, ends the training after the running
 * step; what was reached is in a checkpoint.
 *
 * On devices whose runs overlap the next step is started before the result of this one has come, unless the network is evaluated
 * or saved between them: the device need not wait for its pictures. All that reads the network waits for the steps that run.
 *
 * @example
 * await using trainer = await Trainer.open({ recipe: await loadRecipe('camvid'), dataset, folder: 'out' });
 * for await (const event of trainer) if (event.type === 'evaluation') console.log(event.step, event.miou);
 */
export class Trainer implements AsyncDisposable {
  readonly recipe: Recipe;
  readonly config: SegmenterConfig;
  readonly totalSteps: number;
  /** Steps that were done before, where it was resumed. */
  readonly startStep: number;
  /** The plan and its state, for who wants to look. */
  readonly program: TrainingProgram;
  readonly #parts: Parts;
  readonly #schedule: Schedule;
  #step: number;
  /** Ends with all steps that were started. */
  #running: Promise<unknown> = Promise.resolve();
  /** What a step failed with: those behind it are not counted, and the state is that of no step. */
  #failure: unknown;
  /** When the result of the last step came. */
  #lastMs = 0;
  #savedStep = -1;
  #lastEvaluation: { readonly step: number; readonly evaluation: Evaluation } | undefined;
  #disposed = false;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.recipe = parts.recipe;
    this.config = parts.program.config;
    this.program = parts.program;
    this.totalSteps = parts.recipe.steps;
    this.startStep = parts.startStep;
    this.#step = parts.startStep;
    this.#schedule = scheduleOf(parts.recipe);
  }

  /**
   * Checks every label of the data, compiles the training plan and starts or restores the parameters.
   *
   * @throws OcrnetError INVALID_DATA with the file and what was expected, INVALID_ARGUMENT, OUT_OF_MEMORY, INVALID_WEIGHTS,
   * FILE_NOT_WRITTEN
   */
  static async open(options: TrainerOptions): Promise<Trainer> {
    const { recipe, dataset, folder, resume = false, device, signal, onEvent } = options;
    const store = folder === undefined ? undefined : new CheckpointStore(folder, recipe.checkpoints.keep);
    const checkpoint = await findStart(folder, store, resume);
    const [train, val] = [await dataset.split(recipe.data.train), await dataset.split(recipe.data.val)];
    const report = await checkSplit(train, { signal });
    await checkSplit(val, { signal });
    const config = configOf(recipe, dataset.classes.length);
    const opened = await openUnlessOpen(device, options);
    const replicas: Device[] = [];
    try {
      if (recipe.replicas > 1)
        for (const options of opened.replicas(recipe.replicas)) replicas.push(await openDevice(options));
      const training = replicas.length > 0 ? replicas : opened;
      const program = await programOf(training, config, recipe, dataset, report.counts);
      const startStep = checkpoint
        ? (await restoreState(checkpoint.path, program.state, program.arena.layout)).step
        : 0;
      await program.shareState();
      if (folder !== undefined) await prepareFolder(folder, recipe);
      const parts: Parts = {
        recipe,
        dataset,
        val,
        program,
        store,
        folder,
        startStep,
        loader: await loaderOf(recipe, train, startStep, config.normalisation),
        device: opened,
        owned: opened === device ? replicas : [...replicas, opened],
        logger: folder === undefined ? undefined : loggerOf(folder, checkpoint !== undefined),
        signal,
        onEvent,
      };
      return new Trainer(parts);
    } catch (error) {
      await Promise.all([...replicas, ...(opened === device ? [] : [opened])].map((one) => one.dispose()));
      throw error;
    }
  }

  /** Steps whose results have come. */
  get step(): number {
    return this.#step;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainingEvent> {
    const { recipe, loader, device, signal } = this.#parts;
    yield this.#log({
      type: 'start',
      ...this.#now(),
      steps: this.totalSteps,
      model: networkName(recipe),
      data: this.#parts.dataset.name,
      recipe: recipeText(recipe),
      batch: recipe.batch * recipe.accumulate,
      device: this.#parts.device.name,
    });
    // A consumer that leaves the loop ends it at a yield; an error does not come from one.
    let reason: 'finished' | 'stopped' | 'failed' = 'stopped';
    const batches = inLists(loader, recipe.accumulate);
    try {
      while (this.#step < this.totalSteps && !signal?.aborted) {
        yield* mapInOrder(this.#untilDue(), device.runsInFlight, (step) => this.#train(step, batches));
        if (this.#isDue(recipe.evaluation)) yield await this.evaluate();
        if (this.#isDue(recipe.checkpoints)) {
          const saved = await this.save();
          if (saved) yield saved;
        }
      }
      if (this.#step === this.totalSteps) reason = 'finished';
    } catch (error) {
      // An evaluation that the signal ends is no failure: the step before it is done, and saved.
      if (!(signal?.aborted && error instanceof OcrnetError && error.code === 'ABORTED')) {
        reason = 'failed';
        throw error;
      }
    } finally {
      await batches.return();
      await this.#end(reason);
    }
    if (reason === 'finished') await this.finish();
  }

  /** Measures the network as it is now on the validation pictures. */
  async evaluate(): Promise<Extract<TrainingEvent, { type: 'evaluation' }>> {
    using model = await this.#model();
    const { val, recipe, signal } = this.#parts;
    const all = this.#step === this.totalSteps;
    const evaluation = await evaluateWith(model.value, val, recipe.evaluation, { all, signal });
    this.#lastEvaluation = { step: this.#step, evaluation };
    const { miou, pixelAccuracy, meanAccuracy, perClass } = evaluation;
    return this.#log({
      type: 'evaluation',
      ...this.#now(),
      miou,
      pixelAccuracy,
      meanAccuracy,
      perClass: [...perClass],
    });
  }

  /**
   * Writes a checkpoint of the last step, unless there is one or nothing is written.
   *
   * @throws OcrnetError FILE_NOT_WRITTEN; older checkpoints are then still there; what a step failed with, for then there is no
   * state to keep
   */
  async save(): Promise<Extract<TrainingEvent, { type: 'checkpoint' }> | undefined> {
    const { store, program, recipe } = this.#parts;
    await this.#settle();
    if (!store || this.#savedStep === this.#step) return undefined;
    const miou = this.#lastEvaluation?.step === this.#step ? this.#lastEvaluation.evaluation.miou : null;
    const before = (await store.list()).map((one) => one.miou ?? 0);
    const position = { step: this.#step, recipe: recipeText(recipe), layout: program.arena.layout, miou };
    const path = await store.save(program.state, position);
    this.#savedStep = this.#step;
    const best = miou !== null && before.every((other) => other < miou);
    return this.#log({ type: 'checkpoint', ...this.#now(), path, best });
  }

  /** The network as it is now, on the training's device; `kind` by default as the recipe evaluates. The caller disposes it. */
  async model(kind = this.recipe.evaluation.weights): Promise<Model> {
    const { program, dataset, device } = this.#parts;
    await this.#settle();
    const read = await program.readWeights(
      kind === 'average' && program.keepsAverage ? 'average' : 'trained',
    );
    return createModel({ config: this.config, classes: dataset.classes }, read, device);
  }

  /** Writes the model and the report of a training that has come to its end. */
  async finish(): Promise<void> {
    const { folder, val, dataset, recipe } = this.#parts;
    if (folder === undefined) return;
    using model = await this.#model();
    await model.value.save(join(folder, 'model.safetensors'), { dataType: 'float16' });
    await writeTrainingReport(folder, {
      model: model.value,
      split: val,
      data: dataset.name,
      recipe,
      evaluation: this.#lastEvaluation?.evaluation,
    });
  }

  /** Frees the plan, the state and the device if it was opened for this training. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const { program, logger, owned } = this.#parts;
    logger?.[Symbol.dispose]();
    program.dispose();
    await Promise.all(owned.map((device) => device.dispose()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Whether something reads the state after so many steps. */
  #isDue({ every }: { readonly every: number }, step = this.#step): boolean {
    return step === this.totalSteps || step % every === 0;
  }

  /** The steps up to the next one after which something reads the state, unless the signal ends them before. */
  *#untilDue(): Generator<number, void, void> {
    const { recipe, signal } = this.#parts;
    let step = this.#step;
    do yield step++;
    while (
      !(this.#isDue(recipe.evaluation, step) || this.#isDue(recipe.checkpoints, step) || signal?.aborted)
    );
  }

  /** Starts a step once its pictures are there. The event comes when it is done, behind those of the steps before. */
  #train(step: number, batches: AsyncIterator<Batch[], void, void>): Promise<TrainingEvent> {
    const before = this.#running;
    const event = this.#trainBehind(before, step, batches);
    this.#running = event.catch(() => {}).then(() => before);
    return event;
  }

  async #trainBehind(
    before: Promise<unknown>,
    step: number,
    batches: AsyncIterator<Batch[], void, void>,
  ): Promise<TrainingEvent> {
    const { recipe, program } = this.#parts;
    const askedMs = performance.now();
    const { value: list } = await batches.next();
    if (!list) throw new OcrnetError('ABORTED', 'There are no pictures, for those of the step before failed');
    const readyMs = performance.now();
    try {
      const learningRate = this.#schedule(step);
      const result = await program.step(list, { learningRate, step });
      const doneMs = performance.now();
      await before;
      if (this.#failure !== undefined) throw this.#failure;
      requireFinite(result, step + 1, list);
      this.#step++;
      // Until the step before was done nobody waited for this one.
      const fromMs = Math.max(askedMs, this.#lastMs);
      this.#lastMs = doneMs;
      return this.#log({
        type: 'step',
        ...this.#now(),
        loss: result.loss,
        losses: lossesOf(result),
        learningRate,
        ...scalingOf(result),
        pictures: recipe.batch * recipe.accumulate,
        elapsedMs: doneMs - fromMs,
        dataWaitMs: Math.max(0, readyMs - fromMs),
      });
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  /**
   * Waits for the steps that were started.
   *
   * @throws what one failed with
   */
  async #settle(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Whoever stopped the training loses nothing. */
  async #end(reason: 'finished' | 'stopped' | 'failed'): Promise<void> {
    let last = reason;
    try {
      if (reason === 'stopped') await this.save();
    } catch (error) {
      last = 'failed';
      throw error;
    } finally {
      this.#log({ type: 'end', ...this.#now(), reason: last });
    }
  }

  /** As `model`, for a scope. */
  async #model(): Promise<{ readonly value: Model } & Disposable> {
    const value = await this.model();
    return { value, [Symbol.dispose]: () => void value.dispose() };
  }

  #now(): { at: number; step: number } {
    return { at: Date.now(), step: this.#step };
  }

  #log<E extends TrainingEvent>(event: E): E {
    this.#parts.logger?.log(event);
    this.#parts.onEvent?.(event);
    return event;
  }
}

interface Parts {
  readonly recipe: Recipe;
  readonly dataset: Dataset;
  readonly val: Split;
  readonly program: TrainingProgram;
  readonly loader: Loader;
  readonly store: CheckpointStore | undefined;
  readonly folder: string | undefined;
  readonly startStep: number;
  /** Where the network is evaluated, and trained unless that has devices of its own. */
  readonly device: Device;
  /** Disposed with the training. */
  readonly owned: readonly Device[];
  readonly logger: TrainingLogger | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onEvent: TrainerOptions['onEvent'];
}

/** The checkpoint to go on from. A folder with a training in it is only touched to resume it. */
async function findStart(
  folder: string | undefined,
  store: CheckpointStore | undefined,
  resume: boolean,
): Promise<StoredCheckpoint | undefined> {
  if (!store || folder === undefined) return undefined;
  const last = (await store.list()).at(-1);
  if (last && !resume)
    throw new OcrnetError('INVALID_ARGUMENT', `${folder} holds a training, ${last.step} steps of it`, {
      expected: 'another folder, or to resume it',
    });
  if (!last && resume)
    throw new OcrnetError('FILE_NOT_FOUND', `${folder} holds no checkpoint to resume from`, {
      expected: `a readable file in ${store.folder}`,
    });
  return last;
}

async function prepareFolder(folder: string, recipe: Recipe): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFileAtomic(join(folder, 'recipe.yaml'), recipeText(recipe));
}

const loggerOf = (folder: string, resume: boolean): TrainingLogger =>
  combineLoggers([jsonLinesLogger(join(folder, 'log.jsonl'), { resume }), tensorBoardLogger(folder)]);

/** A loss that is no number has spoilt the parameters: what was saved before is the last good state. */
function requireFinite({ loss }: TrainingResult, step: number, batches: readonly Batch[]): void {
  if (Number.isFinite(loss)) return;
  const names = batches.flatMap((batch) => batch.names).join(', ');
  throw new OcrnetError(
    'TRAINING_DIVERGED',
    `The loss of step ${step} is ${loss}, with the pictures ${names}`,
    {
      expected: 'a finite number: a lower learning rate, warm-up or clipping may help',
      received: `${loss}`,
    },
  );
}

/** What a log says of scaled losses. */
const scalingOf = ({ lossScale, skipped }: TrainingResult): Partial<EventOf<'step'>> =>
  lossScale === undefined ? {} : { lossScale, ...(skipped && { skipped }) };

const lossesOf = ({ finalLoss, auxiliaryLoss }: TrainingResult): Record<string, number> => ({
  final: finalLoss,
  ...(auxiliaryLoss !== undefined && { auxiliary: auxiliaryLoss }),
});

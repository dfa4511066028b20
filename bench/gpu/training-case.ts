import { eachWeight } from '../../lib/checkpoint/weights.js';
import { costOf } from '../../lib/compile/cost.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { withDropout } from '../../lib/models/contexts/defaults.js';
import { hasAuxiliary } from '../../lib/models/contexts/index.js';
import { buildSegmenter, type SegmenterConfig } from '../../lib/models/segmenter.js';
import { sgd } from '../../lib/optim/index.js';
import type { Device } from '../../lib/runtime/device.js';
import {
  type TrainingBatch,
  TrainingProgram,
  type TrainingProgramOptions,
  trainingGraphOf,
} from '../../lib/train/training-program.js';
import { trainingBatch } from '../train.js';
import { type GpuCase, onDevice, openGpu } from './case.js';
import { type OurContender, type StepTime, stepTimes } from './contender.js';
import { quietWeights } from './inputs.js';
import { formatPictures, type NamedNetwork, type PictureSize, writeNetwork } from './network-case.js';

// As in openseg's recipes.
export const learningRate = 0.01;
const momentum = 0.9;
const weightDecay = 0.0005;

/**
 * A step of training: forward, losses of both heads, backward, SGD. Parameters and what the optimiser keeps are float32. There is
 * no dropout, for which PyTorch has other random numbers.
 */
export function trainingCase(
  { name, config: named }: NamedNetwork,
  size: PictureSize,
  precision: Precision,
): GpuCase {
  const config = { ...named, context: withDropout(named.context, 0) };
  return {
    name: `training step of ${name}, ${formatPictures(size)}`,
    precision,
    modes: ['eager', 'compiled'],
    open: async () =>
      await onDevice(await openGpu(precision), (device) =>
        TrainingContender.open(device, config, size, precision),
      ),
    async describe(folder) {
      const outputs = hasAuxiliary(config.context) ? ['logits', 'auxiliaryLogits'] : ['logits'];
      const graph = buildSegmenter(config, { ...size, outputs: outputs as ('logits' | 'auxiliaryLogits')[] });
      const { classes, alignCorners } = config;
      const learning = { classes, alignCorners, learningRate, momentum, weightDecay };
      return { kind: 'training', ...size, ...learning, ...(await writeNetwork(folder, graph)) };
    },
  };
}

/** With the optimiser that PyTorch's side has. */
export const trainingOptions = (size: PictureSize, precision: Precision): TrainingProgramOptions => ({
  ...size,
  precision,
  losses: { ignoreLabel: 255 },
  optimiser: sgd({ momentum, weightDecay }),
  groups: {},
  initial: quietWeights(),
});

/** Both sides' batch: noise, one pixel in sixteen ignored. */
export function noiseBatch(size: PictureSize, classes: number): TrainingBatch {
  const { image, labels } = trainingBatch(size, classes);
  return { image, label: labels };
}

class TrainingContender implements OurContender {
  readonly flops: number;
  readonly #device: Device;
  readonly #program: TrainingProgram;
  readonly #graph: ReturnType<typeof trainingGraphOf>['graph'];
  readonly #batch: TrainingBatch;
  #steps = 0;
  #firstLoss = Number.NaN;

  static async open(
    device: Device,
    config: SegmenterConfig,
    size: PictureSize,
    precision: Precision,
  ): Promise<TrainingContender> {
    const options = trainingOptions(size, precision);
    const program = await TrainingProgram.create(device, config, options);
    const { graph } = trainingGraphOf(config, 'update', options);
    return new TrainingContender(device, program, graph, noiseBatch(size, config.classes));
  }

  private constructor(
    device: Device,
    program: TrainingProgram,
    graph: ReturnType<typeof trainingGraphOf>['graph'],
    batch: TrainingBatch,
  ) {
    this.#device = device;
    this.#program = program;
    this.#graph = graph;
    this.#batch = batch;
    this.flops = costOf(graph).flops;
  }

  get arenaBytes(): number {
    return this.#program.arenaBytes;
  }

  /** The pictures' way to the GPU is in these times; PyTorch's batch lies there. */
  async run(count: number): Promise<readonly number[]> {
    const times: number[] = [];
    for (; times.length < count; this.#steps++) {
      const options = { learningRate, step: this.#steps };
      const { elapsedMs, loss } = await this.#program.step([this.#batch], options);
      if (this.#steps === 0) this.#firstLoss = loss;
      times.push(elapsedMs);
    }
    return times;
  }

  /** By a plan of its own on the same state, since a training program keeps its plans to itself. */
  async profile(): Promise<readonly StepTime[]> {
    const compiled = this.#device.compilePrepared(this.#graph);
    const weights = this.#device.createWeights();
    for (const [{ name, value }, data] of eachWeight(this.#graph, quietWeights()))
      weights.set(name, value.type.shape, data);
    const program = await this.#device.load(compiled, weights, this.#program.state);
    const { image, label: labels } = this.#batch;
    const schedule = Float32Array.of(learningRate, this.#steps + 1);
    const { stepsMs } = await program.run({ image, labels, schedule }, { profile: true });
    program.dispose();
    return stepTimes(compiled, stepsMs as Float64Array);
  }

  async result(): Promise<Float32Array> {
    return Float32Array.of(this.#firstLoss);
  }

  async close(): Promise<void> {
    this.#program.dispose();
    await this.#device.dispose();
  }
}

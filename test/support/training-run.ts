import type { SegmenterConfig } from '../../lib/models/segmenter.js';
import { type GoldenTensor, type NetworkEntry, readJson, readTensors, segmenterConfig } from './golden.js';
import { hashWords } from './synthetic-weights.js';

/**
 * Networks that PyTorch trained for a few steps: test/golden/training_run.py says by which protocol, step by step, and what
 * the numbers are. Weights start as `syntheticCheckpoint` makes them.
 */
export interface GoldenTrainingRun {
  readonly name: string;
  readonly config: SegmenterConfig;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly steps: number;
  /** Different batches; step t takes batch t mod this. */
  readonly batches: number;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly auxiliaryWeight: number;
  /** Of each step: of the logits and of the region logits, each without its weight. */
  readonly losses: readonly { readonly logits: number; readonly auxiliaryLogits: number }[];
  /** Of each step: the Euclidean norm of all gradients of the weighted sum of both losses. */
  readonly gradientNorms: readonly number[];
  /** Of each step's batch: of its image and of its labels. */
  readonly checksums: readonly (readonly [number, number])[];
  /** Of every parameter, at step 0, without weight decay. */
  readonly gradients: ReadonlyMap<string, SampledTensor>;
  /** Last − first of every parameter and running statistic, by name. */
  readonly changes: ReadonlyMap<string, SampledTensor>;
  /** The worst relative errors of PyTorch in float32, over runs that started a rounding error apart. */
  readonly yardstick: {
    /** Of each step. */
    readonly losses: readonly number[];
    readonly gradientNorms: readonly number[];
    readonly gradients: TensorErrors;
    readonly changes: TensorErrors;
  };
}

export interface SampledTensor {
  readonly norm: number;
  /** Elements in PyTorch's layout (filters OIHW): of n numbers the ⌊i · n / samples⌋-th, i from 0. */
  readonly samples: readonly number[];
}

export interface TensorErrors {
  /** ‖error‖ / ‖value‖ of all parameters together. */
  readonly all: number;
  /** Of the worst tensor, those that have no gradient but rounding apart: see training_run.py. */
  readonly worst: number;
}

interface RunEntry extends NetworkEntry {
  readonly steps: number;
  readonly batches: number;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly auxiliaryWeight: number;
}

export function goldenTrainingRuns(): GoldenTrainingRun[] {
  return (readJson('training-runs.json') as RunEntry[]).map((entry) => {
    const tensors = readTensors(`training/${entry.name}.safetensors`);
    const numbers = (name: string) => [...(tensors[name] as GoldenTensor).data];
    const pairs = (name: string) => {
      const flat = numbers(name);
      return Array.from(
        { length: flat.length / 2 },
        (_, i) => flat.slice(2 * i, 2 * i + 2) as [number, number],
      );
    };
    const errors = (name: string): TensorErrors => {
      const [all, worst] = numbers(`yardstick/${name}`) as [number, number];
      return { all, worst };
    };
    const sampled = (kind: string) =>
      new Map(
        Object.keys(tensors)
          .filter((key) => key.startsWith(kind))
          .map((key) => {
            const [norm, ...samples] = numbers(key) as [number, ...number[]];
            return [key.slice(kind.length), { norm, samples }];
          }),
      );
    const { name, batch, height, width, steps, batches } = entry;
    const { learningRate, momentum, weightDecay, auxiliaryWeight } = entry;
    return {
      name,
      config: segmenterConfig(entry),
      ...{ batch, height, width, steps, batches },
      ...{ learningRate, momentum, weightDecay, auxiliaryWeight },
      losses: pairs('losses').map(([logits, auxiliaryLogits]) => ({ logits, auxiliaryLogits })),
      gradientNorms: numbers('gradientNorms'),
      checksums: pairs('checksums'),
      gradients: sampled('gradient/'),
      changes: sampled('change/'),
      yardstick: {
        losses: numbers('yardstick/losses'),
        gradientNorms: numbers('yardstick/gradientNorms'),
        gradients: errors('gradients'),
        changes: errors('changes'),
      },
    };
  });
}

/** The rate of step t, counted from 0. */
export const learningRateAt = (run: GoldenTrainingRun, t: number): number =>
  run.learningRate * (1 - t / run.steps) ** 0.9;

/** 255 is ignored. */
export interface TrainingBatch {
  /** RGB bytes (N, H, W, 3). */
  readonly image: Uint8Array;
  /** (N, H, W). */
  readonly labels: Uint8Array;
}

const cell = 16;

/** The batch of step t. Every class has a colour under noise; labels lie in cells, some of which are ignored. */
export function trainingBatch(
  { name, config, batch, height, width, batches }: GoldenTrainingRun,
  t: number,
): TrainingBatch {
  const rows = Math.ceil(height / cell);
  const columns = Math.ceil(width / cell);
  const words = hashWords(`${name} labels ${t % batches}`, batch * rows * columns);
  const noise = hashWords(`${name} image ${t % batches}`, batch * height * width * 3);
  const image = new Uint8Array(noise.length);
  const labels = new Uint8Array(batch * height * width);
  for (let i = 0; i < labels.length; i++) {
    const x = i % width;
    const y = Math.floor(i / width) % height;
    const n = Math.floor(i / (width * height));
    const row = n * rows + Math.floor(y / cell);
    const word = words[row * columns + Math.floor(x / cell)] as number;
    const kind = word % config.classes;
    labels[i] = (word >>> 16) % 8 === 0 ? 255 : kind;
    for (let c = 0; c < 3; c++)
      image[3 * i + c] = ((noise[3 * i + c] as number) >>> 26) + 32 * (((kind + 1) * (c + 1)) % 7);
  }
  return { image, labels };
}

/** What the fixture holds of a batch. */
export function checksum(values: Uint8Array): number {
  return values.reduce((sum, value, i) => sum + value * (i % 997), 0) % 65521;
}

/** A gradient or a change in PyTorch's layout, sampled as the fixture samples it. */
export function sampled(values: ArrayLike<number>): SampledTensor {
  const count = Math.min(16, values.length);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] as number) ** 2;
  const place = (i: number) => Math.floor((i * values.length) / count);
  return {
    norm: Math.sqrt(squares),
    samples: Array.from({ length: count }, (_, i) => values[place(i)] as number),
  };
}

import { z } from 'zod';
import { precisions } from '../compile/passes/assign-precision.js';
import { weightMethods } from '../data/class-weights.js';
import { knownDatasets } from '../data/datasets/index.js';
import { ocrForms } from '../models/contexts/object-context.js';
import { lossScaleDefaults } from '../optim/index.js';
import { checkBackbone, checkModel } from './recipe-network.js';

/**
 * A recipe's keys, their bounds and defaults. What a key's error says is what is expected there, so that recipe-error.ts can
 * put place and value around it. recipes/base.yaml writes the same defaults out for people, and a test compares.
 */

const between = (least: number, most: number, expected = `a number from ${least} to ${most}`) =>
  z.number(expected).min(least, expected).max(most, expected);
const from = (least: number) => between(least, Number.MAX_VALUE, `a number from ${least}`);
const above = (bound: number, expected = `a number above ${bound}`) => z.number(expected).gt(bound, expected);
const part = (expected = 'a number from 0 to below 1') => z.number(expected).min(0, expected).lt(1, expected);
const integer = (least: number, most: number = Number.MAX_SAFE_INTEGER) => {
  const expected = most < 1e9 ? `an integer from ${least} to ${most}` : `an integer from ${least}`;
  return z.int(expected).min(least, expected).max(most, expected);
};
const flag = () => z.boolean('true or false');
const text = (expected: string) => z.string(expected).min(1, expected);
const oneOf = <const T extends readonly [string, ...string[]]>(names: T) =>
  z.enum(names, `one of ${names.join(', ')}`);
const prefixes = (expected = 'a list of path prefixes') => z.array(text(expected), expected);

const size = integer(1, 16384);

/** Rendered streets; see sceneDataset. */
const scenesSchema = z.strictObject({
  count: integer(1, 1_000_000).exactOptional(),
  valCount: integer(1, 1_000_000).exactOptional(),
  width: size.exactOptional(),
  height: size.exactOptional(),
  seed: integer(0).exactOptional(),
  classes: oneOf(['cityscapes', 'camvid']).exactOptional(),
});

const dataSchema = z.strictObject({
  /** What a folder without `dataset.yaml` holds. */
  kind: oneOf(Object.keys(knownDatasets) as [string, ...string[]]).exactOptional(),
  /** The data set is rendered: there is no folder. */
  scenes: scenesSchema.exactOptional(),
  /** Names of splits. */
  train: text('the name of a split').default('train'),
  val: text('the name of a split').default('val'),
  /** More samples for training; what their shares leave is the data set's own. */
  mix: z
    .array(
      z.strictObject({
        scenes: scenesSchema,
        /** Of all samples. */
        share: between(0.001, 0.999),
      }),
      'a list of { scenes, share }',
    )
    .refine(
      (parts) => parts.reduce((sum, { share }) => sum + share, 0) < 1,
      'shares whose sum is below 1, for the rest is the data set',
    )
    .default([]),
});

const factor = above(0).max(64, 'a number above 0, up to 64');

const augmentSchema = z.strictObject({
  resize: z
    .union(
      [z.strictObject({ shortSide: size }), z.strictObject({ width: size, height: size })],
      '{ shortSide } or { width, height }',
    )
    .exactOptional(),
  scale: z
    .union(
      [
        z
          .strictObject({
            min: factor,
            max: factor,
            spacing: oneOf(['uniform', 'logarithmic']).exactOptional(),
          })
          .refine(({ min, max }) => min <= max, 'min that is at most max'),
        z.strictObject({ scales: z.array(factor).min(1) }),
      ],
      '{ min, max, spacing: uniform or logarithmic } or { scales: [numbers above 0, up to 64] }',
    )
    .exactOptional(),
  flip: flag().exactOptional(),
  brightness: between(0, 255).exactOptional(),
  jitter: z
    .strictObject({
      brightness: between(0, 1).exactOptional(),
      contrast: between(0, 1).exactOptional(),
      saturation: between(0, 1).exactOptional(),
      hue: between(0, 180).exactOptional(),
    })
    .exactOptional(),
});

const lossesSchema = z.strictObject({
  /** Of the auxiliary scores' loss beside that of the final ones. */
  auxiliaryWeight: from(0).default(0.4),
  labelSmoothing: part().default(0),
  /** Computed from the training split's labels, or one number for each class. */
  classWeights: z
    .union(
      [z.enum(weightMethods), z.array(from(0)).min(1)],
      `${weightMethods.join(', ')}, or a list with a number for each class`,
    )
    .default('none'),
  hardPixels: z.strictObject({ threshold: between(0, 1), minimum: integer(1) }).exactOptional(),
});

const optimiserSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sgd'),
    momentum: part().default(0.9),
    nesterov: flag().default(false),
    weightDecay: from(0).default(0.0005),
  }),
  z.strictObject({
    kind: z.literal('adamw'),
    beta1: part().default(0.9),
    beta2: part().default(0.999),
    epsilon: above(0).default(1e-8),
    weightDecay: from(0).default(0.01),
  }),
]);

const evaluationSchema = z.strictObject({
  /** Steps between two evaluations; there is one after the last step in any case. */
  every: integer(1).default(500),
  /** Of the validation split: all, or so many, spread evenly. The last evaluation takes all. */
  samples: z.union([z.literal('all'), integer(1)], 'all, or an integer from 1').default('all'),
  flip: flag().default(false),
  scales: z
    .array(above(0).max(8), 'a list of numbers above 0, up to 8')
    .min(1, 'at least one scale')
    .default([1]),
  /** Which parameters; the average unless told, where there is one. */
  weights: oneOf(['average', 'trained']).exactOptional(),
});

export const recipeSchema = z.strictObject({
  /** For logs and reports; the file's name unless told. */
  name: text('a name').default('recipe'),
  /** A name of the registry, or the whole network save its classes, which are the data set's. */
  model: z.unknown().transform(checkModel),
  /** Of the OCR module of a named network; that of its published weights unless told. */
  form: oneOf(ocrForms).exactOptional(),
  /** Instead of the model's own: a name of the registry, or a whole configuration. */
  backbone: z.unknown().transform(checkBackbone).exactOptional(),
  /** Instead of the model's own: a kind, and fields of it. */
  context: z
    .looseObject({ kind: text('the kind of a context').exactOptional() }, 'a kind, or { kind, … }')
    .exactOptional(),
  /** Rate at which training drops channels of the representation, instead of the network's own; 0: never. */
  dropout: part().exactOptional(),
  /** A weights file to start from; otherwise random parameters. */
  pretrained: text('a path').exactOptional(),
  /** Parameters that stay random, as heads that have another shape in that file; `context` is all that is not the backbone. */
  pretrainedIgnore: prefixes('a list of prefixes of parameter names').default([]),
  data: dataSchema.prefault({}),
  crop: z.strictObject({ height: size, width: size }).default({ height: 512, width: 512 }),
  /** Pictures in a plan's run; a step sees `accumulate` times as many. */
  batch: integer(1, 4096).default(8),
  accumulate: integer(1, 4096).default(1),
  /** Devices that share each batch, each with a copy of the network and of the threads its part. */
  replicas: integer(1, 64).default(1),
  /** Of activations and their gradients; parameters and all that is summed are float32. */
  precision: oneOf(precisions).default('float32'),
  /** Of the losses in float16: where it starts, and steps without overflow after which it doubles. */
  lossScale: z
    .strictObject({
      initial: above(0)
        .max(2 ** 126, 'a number above 0, up to 2^126')
        .default(lossScaleDefaults.initial),
      growthInterval: integer(1, 2 ** 24).default(lossScaleDefaults.growthInterval),
    })
    .prefault({}),
  steps: integer(1).default(40_000),
  /** Of the random parameters, the order of samples, their augmentation and dropout. */
  seed: integer(0).default(1),
  augment: augmentSchema.default({ scale: { min: 0.5, max: 2 }, flip: true, brightness: 10 }),
  losses: lossesSchema.prefault({}),
  optimiser: optimiserSchema.prefault({ kind: 'sgd' }),
  /** Largest Euclidean norm of all gradients. */
  clip: above(0).exactOptional(),
  /** An exponential moving average beside the parameters. */
  average: z.strictObject({ decay: part().default(0.999), warmUp: flag().default(true) }).exactOptional(),
  /** rate · (1 − step / steps)^power, after a linear rise over `warmUp` steps. */
  schedule: z
    .strictObject({
      rate: above(0).default(0.01),
      power: from(0).default(0.9),
      warmUp: integer(0).default(0),
    })
    .prefault({}),
  groups: z
    .strictObject({
      learningRateScales: z.record(z.string(), from(0)).default({}),
      decayVectors: flag().default(true),
    })
    .prefault({}),
  batchNorm: z
    .strictObject({
      momentum: between(0, 1).default(0.1),
      frozen: z
        .union([z.boolean(), z.array(z.string())], 'true, false, or a list of path prefixes')
        .default(false),
      /** The statistics of a batch are those of all replicas together. */
      synchronised: flag().default(true),
      /** In-place activated batch norm: what went in is computed from what came out. */
      recoverInputs: flag().default(false),
    })
    .prefault({}),
  /** Path prefixes of what is computed again in the backward pass instead of being kept. */
  recompute: prefixes().default([]),
  evaluation: evaluationSchema.prefault({}),
  checkpoints: z.strictObject({ every: integer(1).default(500), keep: integer(1).default(3) }).prefault({}),
});

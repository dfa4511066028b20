import { openSafetensors } from '../checkpoint/safetensors.js';
import { checkpointReader, type ReadParameter } from '../checkpoint/weights.js';
import { weightsOf } from '../data/class-weights.js';
import type { Dataset, Split } from '../data/dataset.js';
import type { LabelCounts } from '../data/label-counts.js';
import { Loader } from '../data/loader.js';
import { OcrnetError } from '../errors.js';
import { type Graph, storedParameters } from '../ir/graph.js';
import { erase } from '../ir/op.js';
import type { Normalisation } from '../models/normalisation.js';
import { parameterGraph, type SegmenterConfig } from '../models/segmenter.js';
import { initialiser } from '../nn/initialise.js';
import * as ops from '../ops/index.js';
import type { Device } from '../runtime/device.js';
import { hasPrefix } from './parameter-prefix.js';
import { optimiserOf, type Recipe } from './recipe.js';
import { trainingSource } from './recipe-data.js';
import { TrainingProgram } from './training-program.js';

// What a recipe means for a data set: the plan, the parameters' start, the batches.

/** Compiles the plan of a recipe for its devices and starts its parameters. `counts` are those of the training split's labels. */
export async function programOf(
  device: Device | readonly Device[],
  config: SegmenterConfig,
  recipe: Recipe,
  dataset: Dataset,
  counts: LabelCounts,
): Promise<TrainingProgram> {
  const { batch, accumulate, crop, precision, lossScale, seed, batchNorm, groups, recompute } = recipe;
  const { auxiliaryWeight, labelSmoothing, hardPixels } = recipe.losses;
  const classWeights = classWeightsOf(recipe, counts);
  requireBatchNorms(config, batchNorm.frozen);
  return await TrainingProgram.create(device, config, {
    batch,
    accumulate,
    ...crop,
    precision,
    ...(precision === 'float16' && { lossScale }),
    losses: {
      ignoreLabel: dataset.ignoreLabel,
      auxiliaryWeight,
      labelSmoothing,
      ...(classWeights && { classWeights }),
      ...(hardPixels && { hardPixels }),
    },
    optimiser: optimiserOf(recipe),
    groups,
    batchNormMomentum: batchNorm.momentum,
    frozenBatchNorm: frozenBy(batchNorm.frozen),
    synchronisedBatchNorm: batchNorm.synchronised,
    recoverNormalisedInputs: batchNorm.recoverInputs,
    recompute,
    seed,
    initial: startOf(config, recipe),
  });
}

function classWeightsOf({ losses: { classWeights } }: Recipe, counts: LabelCounts): number[] | undefined {
  if (classWeights === 'none') return undefined;
  if (typeof classWeights === 'string') return [...weightsOf(counts, classWeights)];
  const classes = counts.pixels.length;
  if (classWeights.length === classes) return classWeights;
  throw new OcrnetError('INVALID_ARGUMENT', 'losses.classWeights does not fit the data', {
    expected: `${classes} numbers, one for each class`,
    received: `${classWeights.length}`,
  });
}

/** A prefix that freezes nothing is a slip. */
function requireBatchNorms(config: SegmenterConfig, frozen: boolean | readonly string[]): void {
  if (typeof frozen === 'boolean') return;
  const paths = parameterGraph(config).nodes.filter(({ spec }) => spec === erase(ops.batchNorm));
  const unused = frozen.find((prefix) => !paths.some(({ path }) => frozenBy([prefix])(path)));
  if (unused !== undefined)
    throw new OcrnetError('INVALID_ARGUMENT', 'batchNorm.frozen names no batch norm', {
      expected: `prefixes of paths such as ${paths[0]?.path ?? 'none'}`,
      received: unused,
    });
}

function frozenBy(frozen: boolean | readonly string[]): (path: string) => boolean {
  if (typeof frozen === 'boolean') return () => frozen;
  return (path) => frozen.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
}

/** Random parameters, or those of a weights file but for what the recipe leaves random. */
function startOf(config: SegmenterConfig, { seed, pretrained, pretrainedIgnore }: Recipe): ReadParameter {
  const random = initialiser(seed);
  if (pretrained === undefined) return random;
  const isIgnored = (name: string) => pretrainedIgnore.some((prefix) => hasPrefix(name, prefix));
  const graph = parameterGraph(config);
  const unused = pretrainedIgnore.find(
    (prefix) => !storedParameters(graph).some(({ name }) => hasPrefix(name, prefix)),
  );
  if (unused !== undefined)
    throw new OcrnetError('INVALID_ARGUMENT', 'pretrainedIgnore names no parameter', {
      expected: 'prefixes of names such as cls_head, or context',
      received: unused,
    });
  const read = new Map<string, Float32Array>();
  using file = openSafetensors(pretrained);
  const { tensors, ...source } = file;
  const kept = new Map([...tensors].filter(([name]) => !isIgnored(name)));
  const wanted: Graph = {
    ...graph,
    parameters: storedParameters(graph).filter(({ name }) => !isIgnored(name)),
  };
  const readFile = checkpointReader(wanted, {
    ...source,
    description: pretrained,
    tensors: kept,
    read: (name) => file.read(name),
  });
  for (const parameter of wanted.parameters) read.set(parameter.name, readFile(parameter));
  return (parameter) => read.get(parameter.name) ?? random(parameter);
}

/** The batches of a training from one of its steps on. */
export async function loaderOf(
  recipe: Recipe,
  train: Split,
  startStep: number,
  normalisation: Normalisation,
): Promise<Loader> {
  const { batch, accumulate, crop, augment, seed } = recipe;
  return new Loader(await trainingSource(recipe, train), {
    batch,
    crop,
    augment,
    seed,
    fill: meanColour(normalisation),
    start: { step: startStep * accumulate },
  });
}

/** RGB bytes of a pixel that the network sees as zero. */
function meanColour({ mean, range, channelOrder }: Normalisation): [number, number, number] {
  const bytes = mean.map((value) => Math.round((value * 255) / range));
  return (channelOrder === 'bgr' ? bytes.reverse() : bytes) as [number, number, number];
}

import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Precision, precisions } from '../compile/passes/assign-precision.js';
import { absentClasses } from '../evaluate/metrics.js';
import { scoreMerges } from '../evaluate/multi-scale.js';
import type { Size } from '../evaluate/score-map.js';
import { type ContextKind, contextKinds } from '../models/contexts/index.js';
import { type OcrForm, ocrForms } from '../models/contexts/object-context.js';
import type { NamedModelOptions } from '../models/registry.js';
import { type DeviceOptions, deviceNames } from '../runtime/device.js';
import type { PixelPlace } from '../serve/explanation.js';

/** Batch and picture size, as `--input` gives them. */
export interface InputSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** The options that choose a network and where it runs; those not given are absent. */
export interface NetworkFlags extends NamedModelOptions, DeviceOptions {
  readonly classes?: number;
  readonly form?: OcrForm;
  readonly context?: ContextKind;
  readonly weights?: string;
  readonly precision?: Precision;
}

export const classesOption = () =>
  new Option('--classes <n>', 'number of classes of a named network (default: 19)').argParser(
    integer(1, 65536),
  );

const modelOption = () =>
  new Option(
    '--model <model>',
    'a name, or a weights file; by default the trained network that ocrnet brings',
  );

export const formOption = () =>
  new Option('--form <form>', 'form of the OCR module of a named network').choices(ocrForms);

export const contextOption = () =>
  new Option('--context <kind>', 'context module on a backbone that is named without ocrnet-').choices(
    contextKinds,
  );

export const weightsOption = () =>
  new Option('--weights <file>', 'safetensors file with the weights of a named network');

export const deviceOption = () =>
  new Option('--device <device>', 'where the network runs').choices(deviceNames).default('auto');

/** `--device` and the settings of a device, for commands that run a network. */
export const addDeviceOptions = (command: Command): Command =>
  command
    .addOption(deviceOption())
    .addOption(
      new Option('--threads <n>', 'of the CPU: threads that compute (default: one a core)').argParser(
        integer(1, 1024),
      ),
    )
    .addOption(
      new Option('--index <n>', 'of CUDA: which GPU, as ocrnet doctor counts them').argParser(
        integer(0, 1023),
      ),
    )
    .option('--tf32', 'of CUDA: products of float32 numbers may round them to TF32, which is faster')
    .option('--tuning <file>', 'choose algorithms by the clock; what was measured is kept in this file');

export const precisionOption = () =>
  new Option('--precision <type>', 'of activations').choices(precisions).default('float32');

/** `--model` and all of {@link NetworkFlags}, for commands that run a network. */
export const addNetworkOptions = (command: Command): Command =>
  addDeviceOptions(command)
    .addOption(modelOption())
    .addOption(classesOption())
    .addOption(formOption())
    .addOption(contextOption())
    .addOption(weightsOption())
    .addOption(precisionOption());

export const inputOption = () =>
  new Option('--input <size>', 'batch, height and width, as 1x512x1024x3').argParser(inputSize);

export const scalesOption = () =>
  new Option('--scales <list>', 'sizes at which pictures are seen, as 0.75,1,1.25').argParser(scales);

export const seedsOption = () =>
  new Option('--seeds <list>', 'of the random numbers, a training each, as 1,2,3').argParser(seeds);

export const pixelOption = () =>
  new Option(
    '--pixel <x,y>',
    'of which to tell where its context comes from (default: one that context changed)',
  ).argParser(pixel);

export const windowOption = () =>
  new Option(
    '--window <size>',
    'sees pictures through windows of this height and width, as 512x512',
  ).argParser(size);

export const strideOption = () =>
  new Option('--stride <size>', 'from one window to the next (default: two thirds of the window)').argParser(
    size,
  );

export const mergeOption = () =>
  new Option('--merge <how>', 'how scales become one: the sum of logits, or of their exponentials')
    .choices(scoreMerges)
    .default('logits');

export const absentOption = () =>
  new Option('--absent <how>', 'classes that do not occur: left out of the mean, or counted as zero')
    .choices(absentClasses)
    .default('mean');

export const optimiserOption = () =>
  new Option('--optimiser <name>', 'with --train (default: sgd)').choices(['sgd', 'adamw']);

export const recomputeOption = () =>
  new Option(
    '--recompute <prefixes>',
    'with --train: paths that are computed again in the backward pass, as backbone.layer3,backbone.layer4',
  ).argParser((text) => text.split(',').filter((prefix) => prefix !== ''));

function seeds(value: string): number[] {
  const list = value.split(',').map(Number);
  if (list.every((seed) => Number.isSafeInteger(seed) && seed >= 0)) return list;
  throw new InvalidArgumentError('expected whole numbers from 0 with commas between them');
}

function scales(text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.every((value) => value > 0 && value <= 8) && !/(^|,)\s*(,|$)/.test(text)) return values;
  throw new InvalidArgumentError('Expected numbers above 0, up to 8, as in 0.5,0.75,1,1.25,1.5.');
}

function pixel(text: string): PixelPlace {
  const match = /^(\d{1,9}),(\d{1,9})$/.exec(text);
  if (!match) throw new InvalidArgumentError('Expected x and y, from 0, as in 120,80.');
  return { x: Number(match[1]), y: Number(match[2]) };
}

function size(text: string): Size {
  const match = /^([1-9]\d{0,8})x([1-9]\d{0,8})$/i.exec(text);
  if (!match) throw new InvalidArgumentError('Expected height x width, both from 1, as in 512x512.');
  const [height, width] = match.slice(1).map(Number) as [number, number];
  return { height, width };
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected an integer from ${least} to ${most}.`);
  };
}

/** `NxHxWx3`: sizes from 1, three channels, for pictures are RGB. */
export function inputSize(text: string): InputSize {
  const match = /^([1-9]\d{0,8})x([1-9]\d{0,8})x([1-9]\d{0,8})x3$/i.exec(text);
  if (!match)
    throw new InvalidArgumentError(
      'Expected batch x height x width x 3, all from 1, as in 1x512x1024x3 (networks take RGB pictures).',
    );
  const [batch, height, width] = match.slice(1).map(Number) as [number, number, number];
  return { batch, height, width };
}

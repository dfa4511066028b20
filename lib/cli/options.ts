import { InvalidArgumentError, Option } from 'commander';
import { type Precision, precisions } from '../compile/passes/assign-precision.js';
import { type OcrForm, ocrForms } from '../models/contexts/ocr.js';
import type { NamedModelOptions } from '../models/registry.js';
import { type DeviceName, deviceNames } from '../runtime/device.js';

/** Batch and picture size, as `--input` gives them. */
export interface InputSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** The options that choose a network and where it runs; those not given are absent. */
export interface NetworkFlags extends NamedModelOptions {
  readonly classes?: number;
  readonly form?: OcrForm;
  readonly weights?: string;
  readonly device?: DeviceName;
  readonly threads?: number;
  readonly precision?: Precision;
}

export const classesOption = () =>
  new Option('--classes <n>', 'number of classes of a named network (default: 19)').argParser(
    integer(1, 65536),
  );

export const formOption = () =>
  new Option('--form <form>', 'form of the OCR module of a named network').choices(ocrForms);

export const weightsOption = () =>
  new Option('--weights <file>', 'safetensors file with the weights of a named network');

export const deviceOption = () =>
  new Option('--device <device>', 'where the network runs').choices(deviceNames).default('auto');

export const threadsOption = () =>
  new Option('--threads <n>', 'threads that compute (default: one a core)').argParser(integer(1, 1024));

export const precisionOption = () =>
  new Option('--precision <type>', 'of activations').choices(precisions).default('float32');

export const inputOption = () =>
  new Option('--input <size>', 'batch, height and width, as 1x512x1024x3').argParser(inputSize);

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

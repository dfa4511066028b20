import { existsSync } from 'node:fs';
import { openSafetensors, type SafetensorsFile } from '../checkpoint/safetensors.js';
import { checkpointReader, type ReadParameter } from '../checkpoint/weights.js';
import { lower } from '../compile/compile.js';
import type { Precision } from '../compile/passes/assign-precision.js';
import { precisions } from '../compile/passes/assign-precision.js';
import { invalidArgument, OcrnetError } from '../errors.js';
import { modelConfig, type NamedModelOptions } from '../models/registry.js';
import { parameterGraph, parseSegmenterConfig, type SegmenterConfig } from '../models/segmenter.js';
import { initialiser } from '../nn/initialise.js';
import { type Device, type DeviceName, type DeviceSettings, openUnlessOpen } from '../runtime/device.js';
import { Model } from './model.js';
import { type ModelDescription, parseDescription } from './model-file.js';
import { uploadWeights } from './upload-weights.js';

/** Settings are those of a device that is opened for this model. */
export interface LoadModelOptions extends NamedModelOptions, DeviceSettings {
  /** An open device, which stays open when the model is disposed, or the name of one to open for this model. */
  readonly device?: Device | DeviceName;
  /** Of activations; weights are kept in float32. By default float32. */
  readonly precision?: Precision;
  /** For a model given by name or configuration: a safetensors file with its weights. Without it they are random. */
  readonly weights?: string;
  /** Of random weights. By default 0. */
  readonly seed?: number;
  /** Hears what is worth knowing but no error, once. By default `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Loads a network: a weights file (safetensors with its configuration in the metadata), a name from {@link modelNames}, or
 * a configuration. Weights are read tensor by tensor and go to the device with batch norm folded in.
 *
 * @throws OcrnetError INVALID_ARGUMENT, FILE_NOT_FOUND, INVALID_WEIGHTS, DEVICE_UNAVAILABLE, UNSUPPORTED
 */
export async function loadModel(
  model: string | SegmenterConfig,
  options: LoadModelOptions = {},
): Promise<Model> {
  const { device, precision = 'float32' } = options;
  if (!precisions.includes(precision)) throw invalidArgument('precision', precisions.join(' or '), precision);
  const { description, source } = describeSource(model, options);
  const opened = await openUnlessOpen(device, options);
  let file: SafetensorsFile | undefined;
  try {
    if (source !== undefined) file = openSafetensors(source);
    opened.requirePrecision(precision);
    const graph = parameterGraph(description.config);
    const weights = opened.createWeights();
    const read = file ? checkpointReader(graph, file) : randomWeights(model, options);
    uploadWeights(lower(graph, precision), read, weights);
    return new Model({
      ...description,
      device: opened,
      ownsDevice: opened !== device,
      weights,
      precision,
      read,
      ...(file && { file }),
    });
  } catch (error) {
    file?.close();
    if (opened !== device) await opened.dispose();
    throw error;
  }
}

/**
 * A network from weights in memory, in the graph's layout, on a device that stays open when the model is disposed. The numbers
 * must not change as long as the model may be saved.
 */
export function createModel(description: ModelDescription, read: ReadParameter, device: Device): Model {
  const weights = device.createWeights();
  uploadWeights(lower(parameterGraph(description.config), 'float32'), read, weights);
  return new Model({
    ...description,
    device,
    ownsDevice: false,
    weights,
    precision: 'float32',
    read,
  });
}

/**
 * The network, and the file that holds its weights, if any. Reads no weights.
 *
 * @throws OcrnetError INVALID_ARGUMENT, FILE_NOT_FOUND, INVALID_WEIGHTS
 */
export function describeSource(
  model: string | SegmenterConfig,
  options: NamedModelOptions & { readonly weights?: string } = {},
): { description: ModelDescription; source: string | undefined } {
  const { classes, form, context, weights } = options;
  if (typeof model === 'string' && !looksLikeFile(model)) {
    const named = {
      ...(classes !== undefined && { classes }),
      ...(form !== undefined && { form }),
      ...(context !== undefined && { context }),
    };
    return { description: { config: modelConfig(model, named) }, source: weights };
  }
  for (const [name, value] of Object.entries({ classes, form, context }))
    if (value !== undefined)
      throw invalidArgument(name, 'none for a model that is not given by name and says so itself', value);
  if (typeof model !== 'string')
    return { description: { config: parseSegmenterConfig(model) }, source: weights };
  if (weights !== undefined)
    throw invalidArgument('weights', 'none for a model that is a weights file itself', weights);
  using file: SafetensorsFile = openSafetensors(model);
  const description = parseDescription(file.metadata, model);
  if (!description)
    throw new OcrnetError('INVALID_WEIGHTS', `${model} does not say which network it belongs to`, {
      expected:
        'a file saved by ocrnet; for other state dicts give the model by name and this file as weights',
    });
  return { description, source: model };
}

/** Weights files are told from names by their ending or by being there. */
const looksLikeFile = (model: string): boolean => /[\\/]|\.safetensors$/.test(model) || existsSync(model);

function randomWeights(
  model: string | SegmenterConfig,
  { seed = 0, onWarning }: LoadModelOptions,
): ReadParameter {
  const name = typeof model === 'string' ? model : 'This configuration';
  const message = `${name} has random weights: its labels mean nothing. Pass a weights file for real ones.`;
  if (onWarning) onWarning(message);
  else process.emitWarning(message, { code: 'OCRNET_RANDOM_WEIGHTS' });
  return initialiser(seed);
}

import { invalidArgument, OcrnetError } from '../errors.js';
import type { AttributeSchema, Attributes } from '../ir/attributes.js';
import { GraphBuilder } from '../ir/builder.js';
import type { Value } from '../ir/graph.js';
import type { Inputs, OpSpec } from '../ir/op.js';
import { type DataType, elementCount, formatShape } from '../ir/tensor-type.js';
import { noActivation } from '../ops/epilogue.js';
import * as specs from '../ops/index.js';
import type { Device } from './device.js';
import { openDevice } from './device.js';
import type { TensorData } from './program.js';
import { ProgramCache } from './program-cache.js';

/** An array with its sizes: (N, H, W, C) for activations, (O, kh, kw, I) for filters, (C) for vectors. */
export interface Tensor {
  readonly data: TensorData;
  readonly shape: readonly number[];
  /** By default what the array says; a Uint16Array of bfloat16 or float16 bits needs it. */
  readonly dataType?: DataType;
}

export interface OperationOptions {
  /** By default a CPU device that is opened at the first call and shared by all of them. */
  readonly device?: Device;
  readonly signal?: AbortSignal;
}

/** An operation on typed arrays: a plan of one step, compiled at the first call with these sizes and kept. */
type Operation<
  I extends readonly string[],
  Opt extends readonly string[],
  O extends readonly string[],
  S extends AttributeSchema,
> = (
  inputs: Inputs<I, Opt, Tensor>,
  attributes?: Partial<Attributes<S>>,
  options?: OperationOptions,
) => Promise<{ readonly [K in O[number]]: Tensor }>;

let sharedDevice: Promise<Device> | undefined;
const defaultDevice = (): Promise<Device> => {
  sharedDevice ??= openDevice().catch((error) => {
    sharedDevice = undefined;
    throw error;
  });
  return sharedDevice;
};

const mostPrograms = 64;
const caches = new WeakMap<Device, ProgramCache>();

function operation<
  const I extends readonly string[],
  const Opt extends readonly string[],
  const O extends readonly string[],
  const S extends AttributeSchema,
>(spec: OpSpec<string, I, Opt, O, S>, defaults: Partial<Attributes<S>>): Operation<I, Opt, O, S> {
  return async (inputs, attributes = {}, { device, signal } = {}) => {
    const complete = completeAttributes(spec, { ...defaults, ...attributes });
    const tensors = Object.entries(inputs as Record<string, Tensor | undefined>).filter(
      (entry): entry is [string, Tensor] => entry[1] !== undefined,
    );
    const typed = tensors.map(([name, tensor]) => ({
      name,
      tensor,
      dataType: checkedType(spec.name, name, tensor),
    }));
    const target = device ?? (await defaultDevice());
    const key = JSON.stringify([
      spec.name,
      complete,
      typed.map(({ name, tensor, dataType }) => [name, dataType, tensor.shape]),
    ]);
    const make = async () => {
      const graph = new GraphBuilder(spec.name);
      const values = typed.map(({ name, tensor, dataType }) => [
        name,
        graph.input(name, { dataType, shape: tensor.shape }),
      ]);
      const outputs = graph.add(spec, Object.fromEntries(values) as Inputs<I, Opt, Value>, complete);
      for (const name of spec.outputs) graph.output(name, outputs[name as O[number]]);
      const compiled = target.compile(graph.build(), { precision: 'float32' });
      return await target.load(compiled, target.createWeights());
    };
    return await cacheOf(target).use(key, make, async (program) => {
      const data = Object.fromEntries(typed.map(({ name, tensor }) => [name, tensor.data]));
      const { outputs } = await program.run(data, { signal });
      const results = program.compiled.graph.outputs.map(({ name, value: { type } }) => [
        name,
        { data: outputs[name] as TensorData, shape: type.shape, dataType: type.dataType },
      ]);
      return Object.fromEntries(results) as { readonly [K in O[number]]: Tensor };
    });
  };
}

function completeAttributes<S extends AttributeSchema>(
  spec: { readonly name: string; readonly attributes: S },
  given: Partial<Attributes<S>>,
): Attributes<S> {
  for (const name of Object.keys(given))
    if (!(name in spec.attributes))
      throw invalidArgument(
        `${spec.name} attribute`,
        `one of ${Object.keys(spec.attributes).join(', ')}`,
        name,
      );
  for (const name of Object.keys(spec.attributes))
    if (given[name] === undefined)
      throw invalidArgument(`${spec.name} attributes`, `a value for ${name}`, undefined);
  return given as Attributes<S>;
}

function checkedType(operation: string, name: string, { data, shape, dataType }: Tensor): DataType {
  const own =
    data instanceof Float32Array
      ? 'float32'
      : data instanceof Uint8Array
        ? 'uint8'
        : data instanceof Uint16Array
          ? 'uint16'
          : data instanceof Int32Array
            ? 'int32'
            : undefined;
  if (own === undefined)
    throw invalidArgument(
      `${operation} input "${name}"`,
      'data in a Float32Array, Uint8Array, Uint16Array or Int32Array',
      data,
    );
  if (elementCount(shape) !== data.length)
    throw new OcrnetError('INVALID_ARGUMENT', `Invalid ${operation} input "${name}"`, {
      expected: `${elementCount(shape)} elements for shape ${formatShape(shape)}`,
      received: `${data.length}`,
    });
  return dataType ?? own;
}

function cacheOf(device: Device): ProgramCache {
  const known = caches.get(device);
  if (known) return known;
  const made = new ProgramCache(mostPrograms);
  caches.set(device, made);
  return made;
}

/**
 * The operations of networks, alone, on typed arrays. Inputs and attributes go by the names of the operation's spec; every
 * call is asynchronous and computes on the device's thread.
 *
 * @example
 * const { y } = await ops.conv2d({ x, filter }, { dilation: 2, padding: 2, activation: 'relu' });
 */
export const ops = {
  /** {@link specs.conv2d} */
  conv2d: operation(specs.conv2d, {
    stride: 1,
    padding: 0,
    dilation: 1,
    groups: 1,
    outputType: 'same',
    ...noActivation,
  }),
  /** {@link specs.scaleShift} */
  scaleShift: operation(specs.scaleShift, noActivation),
  /** {@link specs.scaleBy} */
  scaleBy: operation(specs.scaleBy, {}),
  /** {@link specs.activate} */
  activate: operation(specs.activate, { negativeSlope: 0 }),
  /** {@link specs.add} */
  add: operation(specs.add, noActivation),
  /** {@link specs.concat} */
  concat: operation(specs.concat, {}),
  /** {@link specs.cast} */
  cast: operation(specs.cast, {}),
  /** {@link specs.maxPool2d} */
  maxPool2d: operation(specs.maxPool2d, { padding: 0, ceilMode: false }),
  /** {@link specs.adaptiveAveragePool2d} */
  adaptiveAveragePool2d: operation(specs.adaptiveAveragePool2d, { height: 1, width: 1 }),
  /** {@link specs.resizeBilinear} */
  resizeBilinear: operation(specs.resizeBilinear, { alignCorners: false, ...noActivation }),
  /** {@link specs.softmax} */
  softmax: operation(specs.softmax, { scale: 1 }),
  /** {@link specs.spatialSoftmax} */
  spatialSoftmax: operation(specs.spatialSoftmax, { scale: 1 }),
  /** {@link specs.labelRegions} */
  labelRegions: operation(specs.labelRegions, { normalised: true }),
  /** {@link specs.aggregateRegions} */
  aggregateRegions: operation(specs.aggregateRegions, {}),
  /** {@link specs.gatherRegions} */
  gatherRegions: operation(specs.gatherRegions, { scale: 1 }),
  /** {@link specs.distributeRegions} */
  distributeRegions: operation(specs.distributeRegions, {}),
  /** {@link specs.scoreRegions} */
  scoreRegions: operation(specs.scoreRegions, {}),
  /** {@link specs.attendRegions} */
  attendRegions: operation(specs.attendRegions, { scale: 1, ...noActivation }),
  /** {@link specs.attendPixels} */
  attendPixels: operation(specs.attendPixels, { scale: 1 }),
  /** {@link specs.attendCrissCross} */
  attendCrissCross: operation(specs.attendCrissCross, { scale: 1 }),
  /** {@link specs.resizeArgmax} */
  resizeArgmax: operation(specs.resizeArgmax, { alignCorners: false, labelType: 'uint8' }),
  /** {@link specs.resizeTaps} */
  resizeTaps: operation(specs.resizeTaps, {
    dilation: 1,
    alignCorners: false,
    outputType: 'float32',
    ...noActivation,
  }),
  /** {@link specs.normalizeImage} */
  normalizeImage: operation(specs.normalizeImage, { reverseChannels: false, outputType: 'float32' }),
} as const;

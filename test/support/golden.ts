import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSafetensors } from '../../lib/checkpoint/safetensors.js';
import type { AnyOpSpec, AttributeValues } from '../../lib/ir/op.js';
import type { DataType, TensorType } from '../../lib/ir/tensor-type.js';
import { withDropout } from '../../lib/models/contexts/defaults.js';
import type { OcrForm } from '../../lib/models/contexts/object-context.js';
import { modelConfig } from '../../lib/models/registry.js';
import { parseSegmenterConfig, type SegmenterConfig } from '../../lib/models/segmenter.js';
import * as specs from '../../lib/ops/index.js';
import { operations } from '../../lib/ops/index.js';
import { syntheticImage } from './synthetic-weights.js';

/** Readers of the fixtures in test/golden, which test/golden/generate.py writes with PyTorch. */

/** A tensor of a fixture; the numbers of integer types are exact in float32. */
export interface GoldenTensor {
  readonly type: TensorType;
  readonly data: Float32Array;
}

/** One application of an operation and what PyTorch makes of it. */
export interface GoldenOperation {
  readonly name: string;
  readonly spec: AnyOpSpec;
  readonly attributes: AttributeValues;
  readonly inputs: Readonly<Record<string, GoldenTensor>>;
  readonly outputs: Readonly<Record<string, GoldenTensor>>;
}

/** One network with synthetic weights, a picture, and PyTorch's outputs by the names of `segmenterOutputs`. */
export interface GoldenNetwork {
  readonly name: string;
  readonly config: SegmenterConfig;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** RGB bytes (N, H, W, 3). */
  readonly image: Uint8Array;
  readonly outputs: Readonly<Record<string, GoldenTensor>>;
}

interface OperationEntry {
  readonly name: string;
  readonly op: string;
  readonly attributes: AttributeValues;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
}

export interface NetworkEntry {
  readonly name: string;
  readonly model: string;
  readonly form?: OcrForm;
  readonly classes: number;
  /** Fields that replace those of the named configuration. */
  readonly backbone?: object;
  readonly context?: object;
  readonly alignCorners?: boolean;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** Cases of the operations of inference. */
export const goldenOperations = (): GoldenOperation[] => readOperations('operations');

/** Cases of the operations of training. */
export const goldenTrainingOperations = (): GoldenOperation[] => readOperations('training-operations');

function readOperations(stem: string): GoldenOperation[] {
  const tensors = readTensors(`${stem}.safetensors`);
  const pick = (names: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(names).map(([name, key]) => [name, tensors[key] as GoldenTensor]));
  return (readJson(`${stem}.json`) as OperationEntry[]).map(({ name, op, attributes, inputs, outputs }) => {
    const spec = operations.find((known) => known.name === op) ?? unlistedSpec(op);
    if (!spec) throw new Error(`${name}: no operation is called ${op}`);
    return { name, spec, attributes, inputs: pick(inputs), outputs: pick(outputs) };
  });
}

/** A spec that no device runs yet still says which types fit. */
const unlistedSpec = (name: string): AnyOpSpec | undefined =>
  (specs as unknown as Readonly<Record<string, AnyOpSpec | undefined>>)[name];

export function goldenNetworks(): GoldenNetwork[] {
  return (readJson('networks.json') as NetworkEntry[]).map((entry) => {
    const { name, batch, height, width } = entry;
    return {
      name,
      config: segmenterConfig(entry),
      batch,
      height,
      width,
      image: syntheticImage(batch, height, width),
      outputs: readTensors(`networks/${name}.safetensors`),
    };
  });
}

/** The configuration that networks.py builds from the same entry; PyTorch's random numbers are others: there is no dropout. */
export function segmenterConfig(entry: NetworkEntry): SegmenterConfig {
  const { model, form, classes, backbone, context, alignCorners } = entry;
  const named = modelConfig(model, { classes, ...(form && { form }) });
  return parseSegmenterConfig({
    ...named,
    backbone: { ...named.backbone, ...backbone },
    context: { ...withDropout(named.context, 0), ...context },
    alignCorners: alignCorners ?? named.alignCorners,
  });
}

/** Not every reader of the format knows U16, so 16-bit labels are stored in 32 bits. */
const dataTypes: Readonly<Record<string, DataType>> = { F32: 'float32', U8: 'uint8', I32: 'uint16' };

export function readTensors(path: string): Record<string, GoldenTensor> {
  using file = openSafetensors(fileURLToPath(urlOf(path)));
  return Object.fromEntries(
    [...file.tensors].map(([name, { dataType, shape }]) => [
      name,
      { type: { dataType: dataTypes[dataType] as DataType, shape }, data: file.read(name) },
    ]),
  );
}

const urlOf = (path: string): URL => new URL(`../golden/${path}`, import.meta.url);
export const readJson = (path: string): unknown => JSON.parse(readFileSync(urlOf(path), 'utf8'));

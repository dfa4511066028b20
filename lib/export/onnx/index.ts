import onnxProto from 'onnx-proto';
import { eachWeight, type ReadParameter } from '../../checkpoint/weights.js';
import { OcrnetError } from '../../errors.js';
import { writeFileAtomic } from '../../files.js';
import type { Graph, Value } from '../../ir/graph.js';
import { channelsFirst, shapeWithChannelsFirst } from '../../ir/layout.js';
import { byteLength, type TensorType } from '../../ir/tensor-type.js';
import type { InferenceOperationName } from '../../ops/index.js';
import { elementTypes, OnnxEmitter, valueInfo } from './emitter.js';
import { type Lowering, lowerings } from './lowerings.js';

export interface OnnxExportOptions {
  /** Version of this package, noted in the file. */
  readonly producerVersion?: string;
}

const operatorSet = 17;
/** The version of the file format that goes with the operator set. */
const fileFormat = 8;
/** Protobuf files end at 2 GiB; what is not weights takes far less than the 16 MiB kept for it. */
const largestWeightBytes = 2 ** 31 - 2 ** 24;

/**
 * The whole network, weights included, as an ONNX model: operator set 17, fixed sizes. Inputs are the graph's own (bytes
 * (N, H, W, 3)); all activations inside and all outputs with four axes are float32 (N, C, H, W), labels (N, H, W).
 *
 * A graph with bfloat16 or float16 activations gives a float32 file that rounds where the graph does.
 *
 * @throws OcrnetError `UNSUPPORTED` for weights beyond what one ONNX file can hold.
 */
export function exportOnnx(
  graph: Graph,
  read: ReadParameter,
  { producerVersion = '' }: OnnxExportOptions = {},
): Uint8Array {
  requireThatFits(graph);
  const onnx = new OnnxEmitter();
  for (const { name } of [...graph.inputs, ...graph.parameters, ...graph.outputs]) onnx.reserve(name);

  const names = new Map<Value, string>();
  for (const { name, value } of graph.inputs)
    names.set(value, hasFourAxes(value.type) ? transpose(onnx, name, [0, 3, 1, 2]) : name);
  for (const [{ name, value }, data] of eachWeight(graph, read)) {
    const { shape } = value.type;
    if (hasFourAxes(value.type))
      onnx.initializer(name, shapeWithChannelsFirst(shape), channelsFirst(data, shape));
    else onnx.initializer(name, shape, data);
    names.set(value, name);
  }
  lowerNodes(graph, names, onnx);
  onnx.enter('');
  for (const { name, value } of graph.outputs) onnx.node('Identity', [nameOf(names, value)], {}, name);

  return onnxProto.onnx.ModelProto.encode({
    irVersion: fileFormat,
    opsetImport: [{ domain: '', version: operatorSet }],
    producerName: 'ocrnet',
    producerVersion,
    graph: onnx.finish(
      'ocrnet',
      graph.inputs.map(({ name, value }) => valueInfo(name, value.type)),
      graph.outputs.map(({ name, value }) => valueInfo(name, outputType(value.type))),
    ),
  }).finish();
}

/** Writes `exportOnnx` to a file, whole or not at all. */
export async function writeOnnx(
  path: string,
  graph: Graph,
  read: ReadParameter,
  options: OnnxExportOptions = {},
): Promise<void> {
  await writeFileAtomic(path, exportOnnx(graph, read, options));
}

function lowerNodes(graph: Graph, names: Map<Value, string>, onnx: OnnxEmitter): void {
  for (const node of graph.nodes) {
    onnx.enter(node.path);
    const operands = Object.entries(node.inputs).map(
      ([name, value]) => [name, { name: nameOf(names, value), type: value.type }] as const,
    );
    const lowering: Lowering = lowerings[node.spec.name as InferenceOperationName];
    const results = lowering(Object.fromEntries(operands), node, onnx);
    for (const [name, value] of Object.entries(node.outputs)) {
      const result = results[name] as string;
      names.set(value, roundTo(value.type, onnx, result));
    }
  }
}

function nameOf(names: ReadonlyMap<Value, string>, value: Value): string {
  const name = names.get(value);
  if (name === undefined) throw new Error('a value is read before it is computed; verify() names it');
  return name;
}

const hasFourAxes = ({ shape }: TensorType): boolean => shape.length === 4;

const outputType = (type: TensorType): TensorType =>
  hasFourAxes(type) ? { ...type, shape: shapeWithChannelsFirst(type.shape) } : type;

const transpose = (onnx: OnnxEmitter, name: string, permutation: readonly number[]): string =>
  onnx.node('Transpose', [name], { perm: { ints: permutation } });

/** Rounds a result where the graph holds it in 16 bits. */
function roundTo({ dataType }: TensorType, onnx: OnnxEmitter, name: string): string {
  if (dataType !== 'bfloat16' && dataType !== 'float16') return name;
  const cast = (from: string, int: number) => onnx.node('Cast', [from], { to: { int } });
  return cast(cast(name, elementTypes[dataType === 'float16' ? 'FLOAT16' : 'BFLOAT16']), elementTypes.FLOAT);
}

function requireThatFits(graph: Graph): void {
  const weightBytes = graph.parameters.reduce((sum, { value }) => sum + byteLength(value.type), 0);
  if (weightBytes > largestWeightBytes)
    throw new OcrnetError('UNSUPPORTED', 'The weights do not fit into one ONNX file', {
      expected: `at most ${largestWeightBytes} bytes`,
      received: `${weightBytes}`,
    });
}

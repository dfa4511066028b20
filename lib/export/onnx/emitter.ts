import onnxProto, { type onnx } from 'onnx-proto';
import type { Shape, TensorType } from '../../ir/tensor-type.js';

const { AttributeProto, TensorProto } = onnxProto.onnx;

/** ONNX element types that the exporter names. */
export const elementTypes = TensorProto.DataType;

/** ONNX writes whole numbers and floats differently, so an attribute says which it is. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly text: string };

/** The ONNX graph as it grows: names in, names out. An empty input name is an optional input left out. */
export class OnnxEmitter {
  readonly #nodes: onnx.INodeProto[] = [];
  readonly #initializers = new Map<string, onnx.ITensorProto>();
  readonly #constants = new Map<string, string>();
  readonly #taken = new Set<string>();
  #path = '';

  /** Where the nodes that follow stand in the model; their names begin with it. */
  enter(path: string): void {
    this.#path = path;
  }

  /** Takes a name for an input, an output or a weight before other names are made up. */
  reserve(name: string): string {
    this.#taken.add(name);
    return name;
  }

  initializer(name: string, shape: Shape, data: Float32Array): void {
    this.#addTensor(name, elementTypes.FLOAT, shape, data);
  }

  /** A vector of whole numbers: sizes, axes, indices. */
  integers(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.#constant(elementTypes.INT64, [values.length], data);
  }

  scalar(value: number): string {
    return this.#constant(elementTypes.FLOAT, [], Float32Array.of(value));
  }

  matrix(rows: readonly (readonly number[])[]): string {
    const shape = [rows.length, rows[0]?.length ?? 0];
    return this.#constant(elementTypes.FLOAT, shape, Float32Array.from(rows.flat()));
  }

  /** Adds a node with one output and gives that output's name. */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output?: string,
  ): string {
    const name = this.#unique(this.#path === '' ? operator : `${this.#path}/${operator}`);
    const result = output ?? `${name}:0`;
    this.#nodes.push({
      name,
      opType: operator,
      input: [...inputs],
      output: [result],
      attribute: Object.entries(attributes).map(([key, value]) => encodeAttribute(key, value)),
    });
    return result;
  }

  /** The graph without the nodes and tensors that no output needs: a confidence that nobody reads, for one. */
  finish(
    name: string,
    inputs: readonly onnx.IValueInfoProto[],
    outputs: readonly onnx.IValueInfoProto[],
  ): onnx.IGraphProto {
    const needed = new Set(outputs.map((output) => output.name as string));
    const nodes: onnx.INodeProto[] = [];
    for (const node of this.#nodes.toReversed())
      if (node.output?.some((output) => needed.has(output))) {
        nodes.push(node);
        for (const input of node.input ?? []) needed.add(input);
      }
    const initializer = [...this.#initializers.values()].filter((tensor) =>
      needed.has(tensor.name as string),
    );
    return { name, node: nodes.reverse(), initializer, input: [...inputs], output: [...outputs] };
  }

  #constant(type: number, shape: Shape, data: ArrayBufferView): string {
    const key = `${type} ${shape} ${Buffer.from(data.buffer).toString('base64')}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.#unique('constant');
    this.#constants.set(key, name);
    this.#addTensor(name, type, shape, data);
    return name;
  }

  #addTensor(name: string, dataType: number, shape: Shape, data: ArrayBufferView): void {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.set(name, { name, dataType, dims: [...shape], rawData });
  }

  #unique(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#taken.has(name); i++) name = `${wanted}_${i}`;
    return this.reserve(name);
  }
}

/** A tensor at the edge of the graph, `type` as ONNX is to see it. */
export function valueInfo(name: string, { dataType, shape }: TensorType): onnx.IValueInfoProto {
  const dim = shape.map((size) => ({ dimValue: size }));
  return { name, type: { tensorType: { elemType: onnxElementType[dataType], shape: { dim } } } };
}

/** ONNX's types for ours. Those of 16 bits travel as float32: few ONNX operators, and fewer runtimes, take bfloat16. */
export const onnxElementType: Readonly<Record<TensorType['dataType'], number>> = {
  float32: elementTypes.FLOAT,
  bfloat16: elementTypes.FLOAT,
  float16: elementTypes.FLOAT,
  uint8: elementTypes.UINT8,
  uint16: elementTypes.UINT16,
  int32: elementTypes.INT32,
};

function encodeAttribute(name: string, value: OnnxAttribute): onnx.IAttributeProto {
  const { AttributeType } = AttributeProto;
  if ('int' in value) return { name, type: AttributeType.INT, i: value.int };
  if ('ints' in value) return { name, type: AttributeType.INTS, ints: [...value.ints] };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  return { name, type: AttributeType.STRING, s: Buffer.from(value.text) };
}

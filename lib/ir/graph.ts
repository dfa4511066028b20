import type { Initializer } from './initializer.js';
import type { AnyOpSpec, AttributeValues } from './op.js';
import type { TensorType } from './tensor-type.js';

/** One result in a graph (static single assignment): of a leaf or of a node. Compared by identity. */
export interface Value {
  readonly id: number;
  readonly type: TensorType;
}

/** What the caller passes in at each run. */
export interface GraphInput {
  readonly name: string;
  readonly value: Value;
}

/** How a parameter's numbers come to be. */
export type ParameterSource =
  /** As a checkpoint holds it, under the parameter's name. `fileLayout: 'filter'` is (O, I, kh, kw) in files, OHWI here. */
  | {
      readonly kind: 'stored';
      readonly fileLayout: 'plain' | 'filter';
      readonly initializer: Initializer;
      readonly trainable: boolean;
    }
  /** Computed once from other parameters, in their graph layout, when weights are loaded. */
  | {
      readonly kind: 'derived';
      readonly from: readonly Parameter[];
      compute(tensors: readonly Float32Array[]): Float32Array;
    };

/** A float32 tensor that belongs to the model. Its name is a PyTorch state-dict key. */
export interface Parameter {
  readonly name: string;
  readonly value: Value;
  readonly source: ParameterSource;
}

/** One application of an operation. `path` is where it stands in the model, as in "backbone.layer1.0.conv1". */
export interface Node {
  readonly spec: AnyOpSpec;
  readonly path: string;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly attributes: AttributeValues;
  readonly outputs: Readonly<Record<string, Value>>;
}

/** A network: immutable data, nodes in an order in which they can run. */
export interface Graph {
  readonly inputs: readonly GraphInput[];
  readonly parameters: readonly Parameter[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly GraphOutput[];
}

export interface GraphOutput {
  readonly name: string;
  readonly value: Value;
}

/** The nodes that read each value; graph outputs count as `undefined` readers. */
export function readersOf(graph: Graph): Map<Value, (Node | undefined)[]> {
  const readers = new Map<Value, (Node | undefined)[]>();
  const note = (value: Value, reader: Node | undefined) => {
    const list = readers.get(value);
    if (list) list.push(reader);
    else readers.set(value, [reader]);
  };
  for (const node of graph.nodes) for (const value of Object.values(node.inputs)) note(value, node);
  for (const { value } of graph.outputs) note(value, undefined);
  return readers;
}

/** The node that makes each value; leaves have none. */
export function producersOf(graph: Graph): Map<Value, Node> {
  return new Map(
    graph.nodes.flatMap((node) => Object.values(node.outputs).map((value) => [value, node] as const)),
  );
}

/** The parameters that exist in a checkpoint, those behind derived ones included, each once. */
export function storedParameters(graph: Graph): Parameter[] {
  const found = new Map<string, Parameter>();
  const visit = (parameter: Parameter): void => {
    if (parameter.source.kind === 'derived') for (const one of parameter.source.from) visit(one);
    else found.set(parameter.name, parameter);
  };
  for (const parameter of graph.parameters) visit(parameter);
  return [...found.values()];
}

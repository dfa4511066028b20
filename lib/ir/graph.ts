import type { Initializer } from './initializer.js';
import type { AnyOpSpec, AttributeValues, TensorTypes } from './op.js';
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

/**
 * Memory on the device that outlives a run: a flat float32 vector (n) that steps read and update, and what lies in it. The
 * parts are leaves of the graph as parameters are; they are views of the whole.
 */
export interface StateBlock {
  readonly name: string;
  readonly value: Value;
  readonly parts: readonly StatePart[];
}

/** A tensor within a state block, in the graph's layout (filters OHWI). */
export interface StatePart {
  /** Of the parameter that it is or belongs to. */
  readonly name: string;
  readonly value: Value;
  /** Elements from the start of the block. */
  readonly offset: number;
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
  readonly states: readonly StateBlock[];
  /** New values of state, which stay when the run is over: results that nobody needs to read. */
  readonly updates: readonly Value[];
}

export interface GraphOutput {
  readonly name: string;
  readonly value: Value;
}

/** The types of values by name, as specs want them. */
export const typesOf = (values: Node['inputs']): TensorTypes =>
  Object.fromEntries(Object.entries(values).map(([name, { type }]) => [name, type]));

/** Floating-point operations of one node, a multiply-add counted as two. */
export const flopsOf = ({ spec, inputs, outputs, attributes }: Node): number =>
  spec.flops(typesOf(inputs), typesOf(outputs), attributes);

/** The nodes that read each value; graph outputs and updates of state count as `undefined` readers. */
export function readersOf(graph: Graph): Map<Value, (Node | undefined)[]> {
  const readers = new Map<Value, (Node | undefined)[]>();
  const note = (value: Value, reader: Node | undefined) => {
    const list = readers.get(value);
    if (list) list.push(reader);
    else readers.set(value, [reader]);
  };
  for (const node of graph.nodes) for (const value of Object.values(node.inputs)) note(value, node);
  for (const { value } of graph.outputs) note(value, undefined);
  for (const value of graph.updates) note(value, undefined);
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

/** The values of the graph that lie in state blocks from the start: wholes and parts. */
export const stateValues = (graph: Graph): Value[] =>
  graph.states.flatMap(({ value, parts }) => [value, ...parts.map((part) => part.value)]);

/** An id above those of all values. */
export function firstFreeId(graph: Graph): number {
  const values = [...graph.inputs, ...graph.parameters].map(({ value }) => value);
  values.push(...stateValues(graph));
  for (const node of graph.nodes) values.push(...Object.values(node.outputs));
  return values.reduce((most, { id }) => Math.max(most, id), -1) + 1;
}

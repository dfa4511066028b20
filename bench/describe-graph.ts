import { type Graph, storedParameters, type Value } from '../lib/ir/graph.js';
import type { AttributeValues } from '../lib/ir/op.js';

/** A graph as JSON, for programs in other languages that run it node by node. Values go by number. */
export interface GraphDescription {
  /** The pictures, RGB bytes (N, H, W, 3). */
  readonly inputs: readonly number[];
  readonly parameters: readonly { readonly id: number; readonly name: string; readonly trainable: boolean }[];
  readonly constants: readonly { readonly id: number; readonly values: readonly number[] }[];
  readonly nodes: readonly {
    readonly op: string;
    readonly inputs: Readonly<Record<string, number>>;
    readonly outputs: Readonly<Record<string, number>>;
    readonly attributes: AttributeValues;
  }[];
  readonly outputs: Readonly<Record<string, number>>;
}

/** Describes a graph as it was built: its only derived parameters are constants. */
export function describeGraph(graph: Graph): GraphDescription {
  const ids = (values: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(values).map(([name, { id }]) => [name, id]));
  return {
    inputs: graph.inputs.map(({ value }) => value.id),
    parameters: storedParameters(graph).map(({ name, value, source }) => ({
      id: value.id,
      name,
      trainable: source.kind === 'stored' && source.trainable,
    })),
    constants: graph.parameters.flatMap(({ value, source }) =>
      source.kind === 'derived' ? [{ id: value.id, values: [...source.compute([])] }] : [],
    ),
    nodes: graph.nodes.map(({ spec, inputs, outputs, attributes }) => ({
      op: spec.name,
      inputs: ids(inputs),
      outputs: ids(outputs),
      attributes,
    })),
    outputs: Object.fromEntries(graph.outputs.map(({ name, value }) => [name, value.id])),
  };
}

import { makeNode } from './builder.js';
import { firstFreeId, type Graph, type Node, type Parameter, type Value } from './graph.js';
import type { AnyOpSpec, AttributeValues } from './op.js';
import type { TensorType } from './tensor-type.js';

/** A pass's pen: the new graph as it grows, and where each old value went. */
export class Rewriter {
  readonly #graph: Graph;
  readonly #mapped = new Map<Value, Value>();
  readonly #nodes: Node[] = [];
  readonly #parameters = new Map<string, Parameter>();
  readonly #updates: Value[];
  #nextId: number;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#updates = [...graph.updates];
    this.#nextId = firstFreeId(graph);
    for (const parameter of graph.parameters) this.#parameters.set(parameter.name, parameter);
  }

  /** What stands for an old value in the new graph. */
  map(value: Value): Value {
    return this.#mapped.get(value) ?? value;
  }

  mapAll(values: Readonly<Record<string, Value>>): Record<string, Value> {
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, this.map(value)]));
  }

  /** Lets `replacement`, a value of the new graph, stand for `old` from here on. */
  replace(old: Value, replacement: Value): void {
    this.#mapped.set(old, replacement);
  }

  /** Marks a value of the new graph as state that stays. */
  update(value: Value): void {
    this.#updates.push(value);
  }

  parameter(name: string, type: TensorType, source: Parameter['source']): Parameter {
    const known = this.#parameters.get(name);
    if (known) return known;
    const parameter: Parameter = { name, value: { id: this.#nextId++, type }, source };
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /** Adds a node whose inputs are values of the new graph. */
  emit(
    spec: AnyOpSpec,
    inputs: Readonly<Record<string, Value>>,
    attributes: AttributeValues,
    path: string,
  ): Node {
    const node = makeNode(spec, inputs, attributes, path, (type) => ({ id: this.#nextId++, type }));
    this.#nodes.push(node);
    return node;
  }

  /** Adds a node in place of `old`: its outputs stand for the old ones, types inferred anew. */
  emitFor(
    old: Node,
    changes: { inputs?: Readonly<Record<string, Value>>; attributes?: AttributeValues } = {},
  ): Node {
    const inputs = changes.inputs ?? this.mapAll(old.inputs);
    const node = this.emit(old.spec, inputs, changes.attributes ?? old.attributes, old.path);
    for (const [name, value] of Object.entries(old.outputs)) this.replace(value, node.outputs[name] as Value);
    return node;
  }

  /** The new graph, without the parameters that nothing reads any more. */
  finish(): Graph {
    const outputs = this.#graph.outputs.map(({ name, value }) => ({ name, value: this.map(value) }));
    const read = new Set(this.#nodes.flatMap((node) => Object.values(node.inputs)));
    const parameters = [...this.#parameters.values()].filter(({ value }) => read.has(value));
    const { inputs, states } = this.#graph;
    const updates = this.#updates.map((value) => this.map(value));
    return { inputs, parameters, nodes: this.#nodes, outputs, states, updates };
  }
}

/** Walks the nodes in order; `visit` emits what replaces each one. */
export function rewrite(graph: Graph, visit: (node: Node, pen: Rewriter) => void): Graph {
  const pen = new Rewriter(graph);
  for (const node of graph.nodes) visit(node, pen);
  return pen.finish();
}

import { makeNode } from './builder.js';
import {
  firstFreeId,
  type Graph,
  type GraphInput,
  type GraphOutput,
  type Node,
  type Parameter,
  type StateBlock,
  type Value,
} from './graph.js';
import { type AddNode, erase } from './op.js';
import type { TensorType } from './tensor-type.js';

/** Adds to a graph behind what it computes: losses, the backward pass, the optimiser. The graph itself stays as it is. */
export class GraphExtension {
  readonly #graph: Graph;
  readonly #inputs: GraphInput[];
  readonly #parameters: Parameter[];
  readonly #nodes: Node[];
  readonly #updates: Value[];
  #nextId: number;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#inputs = [...graph.inputs];
    this.#parameters = [...graph.parameters];
    this.#nodes = [...graph.nodes];
    this.#updates = [...graph.updates];
    this.#nextId = firstFreeId(graph);
  }

  get parameters(): readonly Parameter[] {
    return this.#parameters;
  }

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  get outputs(): readonly GraphOutput[] {
    return this.#graph.outputs;
  }

  get updates(): readonly Value[] {
    return this.#updates;
  }

  /** A value that no node computes: what the caller of this makes an input, a parameter or state of. */
  leaf(type: TensorType): Value {
    return { id: this.#nextId++, type };
  }

  /** The input of this name: the graph's own where it has one. */
  input(name: string, type: TensorType): Value {
    const known = this.#inputs.find((input) => input.name === name);
    if (known) return known.value;
    const value = this.leaf(type);
    this.#inputs.push({ name, value });
    return value;
  }

  /** A vector of numbers that belong to the plan. */
  constant(name: string, numbers: readonly number[]): Value {
    const value = this.leaf({ dataType: 'float32', shape: [numbers.length] });
    const compute = () => Float32Array.from(numbers);
    this.#parameters.push({ name, value, source: { kind: 'derived', from: [], compute } });
    return value;
  }

  /** Adds nodes under a path. */
  at(path: string): AddNode {
    return (spec, inputs, attributes) => {
      const given = Object.entries(inputs as Record<string, Value | undefined>).filter(
        (entry): entry is [string, Value] => entry[1] !== undefined,
      );
      const node = makeNode(erase(spec), Object.fromEntries(given), attributes, path, (type) =>
        this.leaf(type),
      );
      this.#nodes.push(node);
      return node.outputs as { readonly [K in (typeof spec.outputs)[number]]: Value };
    };
  }

  /** Adds a node once more, with other inputs of the same types. */
  repeat(node: Node, inputs: Readonly<Record<string, Value>>): Node {
    const copy = makeNode(node.spec, inputs, node.attributes, `${node.path}.again`, (type) =>
      this.leaf(type),
    );
    this.#nodes.push(copy);
    return copy;
  }

  /** Gives a node one more input, which was computed before it. */
  widen(node: Node, name: string, value: Value): void {
    const index = this.#nodes.lastIndexOf(node);
    this.#nodes[index] = { ...node, inputs: { ...node.inputs, [name]: value } };
  }

  /** Marks a value as state that stays. */
  update(value: Value): void {
    this.#updates.push(value);
  }

  /** The whole, with outputs of its own. What has become state is no parameter any more. */
  finish(outputs: readonly GraphOutput[], states: readonly StateBlock[]): Graph {
    const inState = new Set(states.flatMap(({ parts }) => parts.map(({ value }) => value)));
    return {
      inputs: this.#inputs,
      parameters: this.#parameters.filter(({ value }) => !inState.has(value)),
      nodes: this.#nodes,
      outputs,
      states: [...this.#graph.states, ...states],
      updates: this.#updates,
    };
  }
}

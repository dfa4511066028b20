import type { GraphExtension } from '../ir/extend.js';
import type { Node, Value } from '../ir/graph.js';

/** Names the segment that a node belongs to, if its activations are to be computed twice rather than kept. */
export type SegmentOf = (node: Node) => string | undefined;

/**
 * Trades time for memory (Chen et al. 2016, "Training deep nets with sublinear memory cost"): of a segment only the
 * activations that others read are kept. When the backward pass reaches the segment, its nodes are added once more, and
 * gradients read the new activations. Nodes whose copies nobody reads fall to the pass that removes what is dead.
 */
export class Recomputation {
  readonly #nodesOf = new Map<string, Node[]>();
  readonly #segmentOf: SegmentOf;
  readonly #extension: GraphExtension;
  /** Activations that only their own segment reads. Vectors are small and stay. */
  readonly #inner = new Set<Value>();
  readonly #copies = new Map<Value, Value>();
  readonly #done = new Set<string>();

  constructor(nodes: readonly Node[], segmentOf: SegmentOf, extension: GraphExtension) {
    this.#segmentOf = segmentOf;
    this.#extension = extension;
    const home = new Map<Value, string>();
    for (const node of nodes) {
      const segment = segmentOf(node);
      if (segment === undefined) continue;
      const known = this.#nodesOf.get(segment);
      if (known) known.push(node);
      else this.#nodesOf.set(segment, [node]);
      for (const value of Object.values(node.outputs))
        if (value.type.shape.length === 4) home.set(value, segment);
    }
    for (const value of home.keys()) this.#inner.add(value);
    for (const node of nodes)
      for (const value of Object.values(node.inputs))
        if (home.has(value) && home.get(value) !== segmentOf(node)) this.#inner.delete(value);
    for (const { value } of extension.outputs) this.#inner.delete(value);
  }

  /** A forward node's values as the backward pass is to read them. */
  valuesOf(node: Node): Pick<Node, 'inputs' | 'outputs'> {
    const segment = this.#segmentOf(node);
    if (segment === undefined) return node;
    if (!this.#done.has(segment)) this.#recompute(segment);
    return { inputs: this.#mapped(node.inputs), outputs: this.#mapped(node.outputs) };
  }

  #recompute(segment: string): void {
    this.#done.add(segment);
    for (const node of this.#nodesOf.get(segment) ?? []) {
      const copy = this.#extension.repeat(node, { ...this.#mapped(node.inputs), ...updatedInputs(node) });
      for (const [name, value] of Object.entries(node.outputs))
        if (this.#inner.has(value)) this.#copies.set(value, copy.outputs[name] as Value);
    }
  }

  #mapped(values: Readonly<Record<string, Value>>): Record<string, Value> {
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, this.#copies.get(value) ?? value]),
    );
  }
}

/** State that the node itself has updated: what it held before is gone. */
function updatedInputs({ spec, outputs }: Node): Record<string, Value> {
  const updates = Object.entries(spec.facts.updates ?? {});
  return Object.fromEntries(updates.map(([output, input]) => [input, outputs[output] as Value]));
}

import { type Graph, type Node, producersOf, readersOf, type Value } from '../../ir/graph.js';
import { byteLength } from '../../ir/tensor-type.js';

/**
 * A node moves up to where its inputs are done with, if less memory is needed for it between there and its old place. Passes
 * put what they make where it is read; a convolution of features that attention has read may come before the attention,
 * and the features go. Memory is counted value by value: which of them share it is decided later, for this order.
 */
export function orderNodes(graph: Graph): Graph {
  if (graph.states.length > 0) return graph; // what reads state must stay before what updates it
  const order = new Order(graph);
  for (const node of graph.nodes) order.moveUp(node);
  return { ...graph, nodes: order.nodes };
}

/** Bytes that nodes in a row need: the most at one of them, and of all together. */
interface Need {
  readonly most: number;
  readonly sum: number;
}

const isLess = (a: Need, b: Need): boolean => a.most < b.most || (a.most === b.most && a.sum < b.sum);

class Order {
  readonly nodes: Node[];
  readonly #positions: Map<Node, number>;
  readonly #producers: ReadonlyMap<Value, Node>;
  readonly #readers: ReadonlyMap<Value, readonly (Node | undefined)[]>;

  constructor(graph: Graph) {
    this.nodes = [...graph.nodes];
    this.#positions = new Map(graph.nodes.map((node, index) => [node, index]));
    this.#producers = producersOf(graph);
    this.#readers = readersOf(graph);
  }

  moveUp(node: Node): void {
    const old = this.#positions.get(node) as number;
    const inputs = this.#computed(node.inputs);
    const first = this.#behind(inputs.map((value) => this.#producers.get(value)));
    const places = inputs
      .map((value) =>
        Math.max(first, this.#behind(this.#readersOf(value).filter((reader) => reader !== node))),
      )
      .filter((place) => place < old);
    if (places.length === 0) return;

    const start = Math.min(...places);
    const between = this.nodes.slice(start, old);
    const movedTo = (place: number) => between.toSpliced(place - start, 0, node);
    const before = this.nodes.slice(0, start);
    let best = movedTo(old);
    let least = this.#needOf(best, before);
    for (const candidate of places.map(movedTo)) {
      const need = this.#needOf(candidate, before);
      if (isLess(need, least)) [best, least] = [candidate, need];
    }
    best.forEach((other, i) => {
      this.nodes[start + i] = other;
      this.#positions.set(other, start + i);
    });
  }

  /** The first place behind all of these. */
  #behind(nodes: readonly (Node | undefined)[]): number {
    return Math.max(0, ...nodes.map((node) => (node ? (this.#positions.get(node) as number) + 1 : 0)));
  }

  /** What some nodes in a row need, where those `before` are done. */
  #needOf(nodes: readonly Node[], before: readonly Node[]): Need {
    const done = new Set<Node | undefined>(before);
    const isHeld = (value: Value) => this.#readersOf(value).some((reader) => !done.has(reader));
    let held = bytesOf(before.flatMap(({ outputs }) => Object.values(outputs)).filter(isHeld));

    const need = { most: 0, sum: 0 };
    for (const node of nodes) {
      const made = bytesOf(Object.values(node.outputs).filter(isHeld));
      done.add(node);
      const freed = this.#computed(node.inputs).filter((value) => !isHeld(value));
      const taken = Math.min(made, bytesOf(freed.filter((value) => mayTakeOver(node, value))));
      need.most = Math.max(need.most, held + made - taken);
      need.sum += held + made - taken;
      held += made - bytesOf(freed);
    }
    return need;
  }

  /** Undefined is the caller, who reads the graph's outputs. */
  #readersOf(value: Value): readonly (Node | undefined)[] {
    return this.#readers.get(value) ?? [];
  }

  /** Each once, without the graph's inputs and parameters. */
  #computed(values: Readonly<Record<string, Value>>): Value[] {
    return [...new Set(Object.values(values))].filter((value) => this.#producers.has(value));
  }
}

const bytesOf = (values: readonly Value[]): number =>
  values.reduce((sum, { type }) => sum + byteLength(type), 0);

/** Whether the output may lie where this input does. */
const mayTakeOver = ({ spec: { facts }, inputs }: Node, value: Value): boolean =>
  facts.concatenatesChannels === true || (facts.inPlaceOf !== undefined && inputs[facts.inPlaceOf] === value);

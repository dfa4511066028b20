import { flopsOf, type Graph, type Node, storedParameters } from '../ir/graph.js';
import { byteLength, elementCount } from '../ir/tensor-type.js';

/** What a network costs before it runs. */
export interface Cost {
  /** Trainable numbers. Running statistics are not among them. */
  readonly parameters: number;
  /** Floating-point operations, a multiply-add counted as two. */
  readonly flops: number;
  /** Each operation's inputs and outputs read or written once. */
  readonly bytesMoved: number;
}

export const totalFlops = (graph: Graph): number => graph.nodes.reduce((sum, node) => sum + flopsOf(node), 0);

export function bytesMovedBy(node: Node): number {
  const values = [...Object.values(node.inputs), ...Object.values(node.outputs)];
  return values.reduce((sum, { type }) => sum + byteLength(type), 0);
}

/** Trainable parameters of a graph, those inside derived ones counted once. */
export function parameterCount(graph: Graph): number {
  return storedParameters(graph)
    .filter(({ source }) => source.kind === 'stored' && source.trainable)
    .reduce((sum, { value }) => sum + elementCount(value.type.shape), 0);
}

export function costOf(graph: Graph): Cost {
  return {
    parameters: parameterCount(graph),
    flops: totalFlops(graph),
    bytesMoved: graph.nodes.reduce((sum, node) => sum + bytesMovedBy(node), 0),
  };
}

import type { Node, Parameter, Value } from '../../ir/graph.js';

// Small questions that several passes ask.

export const isParameter = (value: Value | undefined, parameters: ReadonlyMap<Value, Parameter>): boolean =>
  value !== undefined && parameters.has(value);

/** The node that makes `value`, if only one node reads it and it is no graph output. */
export function soleProducer(
  value: Value | undefined,
  producers: ReadonlyMap<Value, Node>,
  readers: ReadonlyMap<Value, readonly (Node | undefined)[]>,
): Node | undefined {
  if (value === undefined || readers.get(value)?.length !== 1) return undefined;
  return producers.get(value);
}

export const hasActivation = (node: Node): boolean =>
  node.attributes.activation !== undefined && node.attributes.activation !== 'none';

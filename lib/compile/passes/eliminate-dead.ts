import type { Graph, Value } from '../../ir/graph.js';

/**
 * Drops the nodes that no output and no update of state needs, and the parameters that only they read. Graph inputs and
 * states stay: they are the interface.
 */
export function eliminateDead(graph: Graph): Graph {
  const needed = new Set<Value>([...graph.outputs.map(({ value }) => value), ...graph.updates]);
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!Object.values(node.outputs).some((value) => needed.has(value))) return false;
      for (const value of Object.values(node.inputs)) needed.add(value);
      return true;
    })
    .reverse();
  return { ...graph, nodes, parameters: graph.parameters.filter(({ value }) => needed.has(value)) };
}

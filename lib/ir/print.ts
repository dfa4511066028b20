import type { Graph, Node, Value } from './graph.js';
import { formatType } from './tensor-type.js';

/** The graph as text, one node a line: what snapshots compare and what `--print-graph` shows. */
export function printGraph(graph: Graph): string {
  const names = new Map<Value, string>();
  for (const { name, value } of graph.inputs) names.set(value, `%${name}`);
  for (const { name, value } of graph.parameters) names.set(value, `@${name}`);
  for (const block of graph.states) {
    names.set(block.value, `$${block.name}`);
    for (const { name, value } of block.parts) names.set(value, `$${block.name}.${name}`);
  }
  let next = 0;
  const nameOf = (value: Value): string => {
    const known = names.get(value);
    if (known) return known;
    const name = `%${next++}`;
    names.set(value, name);
    return name;
  };
  return [
    ...graph.inputs.map(({ value }) => `input ${nameOf(value)} : ${formatType(value.type)}`),
    ...graph.nodes.map((node) => printNode(node, nameOf)),
    ...graph.outputs.map(({ name, value }) => `output ${name} = ${nameOf(value)}`),
    ...graph.updates.map((value) => `update ${nameOf(value)}`),
  ].join('\n');
}

function printNode(node: Node, nameOf: (value: Value) => string): string {
  const inputs = Object.entries(node.inputs).map(([name, value]) => `${name}=${nameOf(value)}`);
  const attributes = Object.entries(node.attributes).map(([name, value]) => `${name}=${String(value)}`);
  const outputs = node.spec.outputs.map((name) => {
    const value = node.outputs[name] as Value;
    return `${nameOf(value)} : ${formatType(value.type)}`;
  });
  const details = attributes.length > 0 ? ` {${attributes.join(', ')}}` : '';
  return `${outputs.join(', ')} = ${node.spec.name}(${inputs.join(', ')})${details}  # ${node.path}`;
}

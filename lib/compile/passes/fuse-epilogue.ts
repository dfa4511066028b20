import { type Graph, type Node, producersOf, readersOf, type Value } from '../../ir/graph.js';
import { erase } from '../../ir/op.js';
import { rewrite } from '../../ir/rewrite.js';
import { activate, add } from '../../ops/index.js';
import { hasActivation, soleProducer } from './match.js';

const addSpec = erase(add);
const activateSpec = erase(activate);

/**
 * A sum becomes the residual of the operation that computes one of its terms. The operation moves to the place of the sum,
 * where both terms are known; of two that could take it, the later one does.
 */
export function fuseResidual(graph: Graph): Graph {
  const producers = producersOf(graph);
  const readers = readersOf(graph);
  const position = new Map(graph.nodes.map((node, index) => [node, index]));

  const host = (sum: Node): { node: Node; residual: Value } | undefined => {
    const { a, b } = sum.inputs as { a: Value; b: Value };
    return (
      [
        [a, b],
        [b, a],
      ] as const
    )
      .map(([term, residual]) => ({ node: soleProducer(term, producers, readers), residual }))
      .filter((one): one is { node: Node; residual: Value } => {
        const { node } = one;
        return (
          node !== undefined &&
          node.spec.facts.epilogue?.residual === true &&
          !node.inputs.residual &&
          !hasActivation(node)
        );
      })
      .sort((one, other) => (position.get(other.node) as number) - (position.get(one.node) as number))[0];
  };

  const fused = new Map<Node, { node: Node; residual: Value }>();
  const deferred = new Set<Node>();
  for (const node of graph.nodes) {
    const found = node.spec === addSpec ? host(node) : undefined;
    if (!found || deferred.has(found.node)) continue;
    fused.set(node, found);
    deferred.add(found.node);
  }

  return rewrite(graph, (node, pen) => {
    if (deferred.has(node)) return;
    const found = fused.get(node);
    if (!found) {
      pen.emitFor(node);
      return;
    }
    const { activation, negativeSlope } = node.attributes as { activation: string; negativeSlope: number };
    const emitted = pen.emitFor(found.node, {
      inputs: { ...pen.mapAll(found.node.inputs), residual: pen.map(found.residual) },
      attributes: { ...found.node.attributes, activation, negativeSlope },
    });
    pen.replace(node.outputs.y as Value, emitted.outputs.y as Value);
  });
}

/** An activation becomes the last thing that the operation before it does. */
export function fuseActivation(graph: Graph): Graph {
  const producers = producersOf(graph);
  const readers = readersOf(graph);
  const fused = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (node.spec !== activateSpec) continue;
    const host = soleProducer(node.inputs.x, producers, readers);
    if (host?.spec.facts.epilogue?.activation && !hasActivation(host)) fused.set(host, node);
  }
  const gone = new Set(fused.values());

  return rewrite(graph, (node, pen) => {
    if (gone.has(node)) return;
    const activation = fused.get(node);
    const emitted = pen.emitFor(node, {
      attributes: activation ? { ...node.attributes, ...activation.attributes } : node.attributes,
    });
    if (activation) pen.replace(activation.outputs.y as Value, emitted.outputs.y as Value);
  });
}

import { type Graph, type Node, producersOf, readersOf, type Value } from '../../ir/graph.js';
import { erase } from '../../ir/op.js';
import { type Rewriter, rewrite } from '../../ir/rewrite.js';
import { noActivation } from '../../ops/epilogue.js';
import { activate, add } from '../../ops/index.js';
import { hasActivation, soleProducer } from './match.js';

const addSpec = erase(add);
const activateSpec = erase(activate);

/** A tree of additions, flat: what is added up, and whatever of it can add the others as its residual. */
interface Sum {
  readonly terms: readonly Value[];
  readonly hosts: readonly Node[];
}

/**
 * Additions become residuals of the operations that compute their terms. A tree of additions is one sum: it starts with
 * the terms that nothing can take, and every operation that can adds its own result to what there is so far. All of them
 * move to the place of the last addition, where every term is known.
 */
export function fuseResidual(graph: Graph): Graph {
  const producers = producersOf(graph);
  const readers = readersOf(graph);
  const producerOf = (value: Value) => soleProducer(value, producers, readers);
  const isInnerSum = (node: Node | undefined): node is Node => node?.spec === addSpec && !hasActivation(node);
  const canHost = (node: Node | undefined): node is Node =>
    node?.spec.facts.epilogue?.residual === true && !node.inputs.residual && !hasActivation(node);

  const sums = new Map<Node, Sum>();
  const gone = new Set<Node>();
  const flatten = (value: Value): Value[] => {
    const node = producerOf(value);
    if (!isInnerSum(node)) return [value];
    gone.add(node);
    return Object.values(node.inputs).flatMap(flatten);
  };
  for (const node of graph.nodes.toReversed()) {
    if (node.spec !== addSpec || gone.has(node)) continue;
    const terms = Object.values(node.inputs).flatMap(flatten);
    const hosts = terms.map(producerOf).filter(canHost);
    sums.set(node, { terms, hosts });
    for (const host of hosts) gone.add(host);
  }

  return rewrite(graph, (node, pen) => {
    if (gone.has(node)) return;
    const sum = sums.get(node);
    if (sum) emitSum(node, sum, pen);
    else pen.emitFor(node);
  });
}

function emitSum(root: Node, { terms, hosts }: Sum, pen: Rewriter): void {
  const hosted = new Set(hosts.map((host) => host.outputs.y));
  const [first, ...others] = terms.filter((term) => !hosted.has(term)).map((term) => pen.map(term));
  const { activation, negativeSlope } = root.attributes as { activation: string; negativeSlope: number };
  const last = { activation, negativeSlope };
  let total = first;
  others.forEach((term, i) => {
    const epilogue = i === others.length - 1 && hosts.length === 0 ? last : noActivation;
    total = pen.emit(addSpec, { a: total as Value, b: term }, epilogue, root.path).outputs.y;
  });
  hosts.forEach((host, i) => {
    const emitted = pen.emitFor(host, {
      inputs: { ...pen.mapAll(host.inputs), ...(total && { residual: total }) },
      attributes: { ...host.attributes, ...(i === hosts.length - 1 ? last : noActivation) },
    });
    total = emitted.outputs.y;
  });
  pen.replace(root.outputs.y as Value, total as Value);
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

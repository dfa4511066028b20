import { type Graph, type Node, producersOf, readersOf, type Value } from '../../ir/graph.js';
import { erase } from '../../ir/op.js';
import { aggregateRegions, gatherRegions, spatialSoftmax } from '../../ops/index.js';
import { soleProducer } from './match.js';

const aggregationSpec = erase(aggregateRegions);
const gatherSpec = erase(gatherRegions);
const softmaxSpec = erase(spatialSoftmax);

/**
 * Soft object regions that are only gathered by are never written: where an aggregateRegions alone reads those that a
 * spatialSoftmax makes of float32 logits, the two become a gatherRegions. For devices that find both in one pass over the
 * pixels; one that does not gains nothing.
 *
 * The backward pass of a training step reads regions, which then stay.
 */
export function fuseGather(graph: Graph): Graph {
  const producers = producersOf(graph);
  const readers = readersOf(graph);
  const gone = new Set<Node>();
  const nodes = graph.nodes.map((node) => {
    if (node.spec !== aggregationSpec) return node;
    const softmax = soleProducer(node.inputs.regions, producers, readers);
    if (softmax?.spec !== softmaxSpec || softmax.inputs.logits?.type.dataType !== 'float32') return node;
    gone.add(softmax);
    return gathering(node, softmax);
  });
  return gone.size === 0 ? graph : { ...graph, nodes: nodes.filter((node) => !gone.has(node)) };
}

/** In the place of the aggregation, into the same y. */
function gathering({ path, inputs, outputs }: Node, { inputs: { logits }, attributes }: Node): Node {
  const operands = { logits: logits as Value, features: inputs.features as Value };
  return { spec: gatherSpec, path, inputs: operands, attributes, outputs };
}

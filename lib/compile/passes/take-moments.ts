import { makeNode } from '../../ir/builder.js';
import { firstFreeId, type Graph, type Node, producersOf, type Value } from '../../ir/graph.js';
import { type AttributeValues, erase } from '../../ir/op.js';
import type { TensorType } from '../../ir/tensor-type.js';
import { batchNormTraining, conv2d, conv2dMoments } from '../../ops/index.js';
import { hasActivation } from './match.js';

const batchNormSpec = erase(batchNormTraining);
const convolutionSpec = erase(conv2d);
const momentsSpec = erase(conv2dMoments);

/**
 * The batch statistics of a convolution's result come from the convolution: where a batch norm reads y of a conv2d, that becomes a
 * conv2dMoments, and the batch norm takes its moments and reads y once instead of twice. For devices that find moments while
 * the results are still at hand; it pays nowhere else.
 *
 * After differentiation, so that what is computed again has moments of its own. Values stay the values that they were: who else
 * reads y, such as the backward pass, reads the same y, and batch norms of the same y share its moments.
 */
export function takeMoments(graph: Graph): Graph {
  const producers = producersOf(graph);
  const sourceOf = (batchNorm: Node) => producers.get(batchNorm.inputs.x as Value);
  let nextId = firstFreeId(graph);
  const newValue = (type: TensorType) => ({ id: nextId++, type });
  /** By the convolutions whose place they take. */
  const taken = new Map<Node, Node>();
  for (const source of graph.nodes.filter(wantsMoments).map(sourceOf))
    if (source && !taken.has(source) && givesMoments(source))
      taken.set(source, withMoments(source, newValue));
  if (taken.size === 0) return graph;
  const nodes = graph.nodes.map((node) => {
    const source = wantsMoments(node) ? sourceOf(node) : undefined;
    const moments = source && taken.get(source)?.outputs;
    if (!moments) return taken.get(node) ?? node;
    const { means, squares } = moments as { means: Value; squares: Value };
    return { ...node, inputs: { ...node.inputs, means, squares } };
  });
  return { ...graph, nodes };
}

/** One that is frozen has no use for them. */
const wantsMoments = ({ spec, attributes, inputs }: Node): boolean =>
  spec === batchNormSpec && attributes.frozen === false && inputs.means === undefined;

/** A plain convolution whose results have the type of what it reads; groups have hardly any work to hide the moments behind. */
function givesMoments(node: Node): boolean {
  const { spec, inputs, outputs, attributes } = node;
  if (spec !== convolutionSpec || inputs.residual || hasActivation(node)) return false;
  return attributes.groups === 1 && outputs.y?.type.dataType === inputs.x?.type.dataType;
}

/** The same convolution, into the same y, and new values for its moments. */
function withMoments(
  { path, inputs, outputs, attributes }: Node,
  newValue: (type: TensorType) => Value,
): Node {
  const { stride, padding, dilation, groups } = attributes;
  const window = { stride, padding, dilation, groups } as AttributeValues;
  const node = makeNode(momentsSpec, inputs, window, path, newValue);
  return { ...node, outputs: { ...node.outputs, y: outputs.y as Value } };
}

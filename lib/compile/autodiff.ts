import { OcrnetError } from '../errors.js';
import type { GraphExtension } from '../ir/extend.js';
import type { Node, Value } from '../ir/graph.js';
import { formatType } from '../ir/tensor-type.js';
import { noActivation } from '../ops/epilogue.js';
import { add } from '../ops/index.js';
import { Recomputation, type SegmentOf } from './recompute.js';

export interface DifferentiateOptions {
  /** The segment of a node whose activations are computed again in the backward pass; undefined where they are kept. */
  readonly segmentOf?: SegmentOf;
}

/**
 * Reverse-mode differentiation: walks the nodes from the last to the first and asks each spec for the gradients of its inputs.
 * Where a value is read several times, its gradients are summed as they come, in the epilogue of the operation that computes
 * the newer one where it has such an epilogue.
 *
 * @param losses - scalars; the gradients are those of their sum
 * @returns the gradient of each value of `wanted` that the losses depend on, in its element type
 */
export function differentiate(
  extension: GraphExtension,
  losses: readonly Value[],
  wanted: readonly Value[],
  { segmentOf = () => undefined }: DifferentiateOptions = {},
): Map<Value, Value> {
  const forward = [...extension.nodes];
  const trained = dependents(forward, wanted);
  const sources = new Set(losses);
  const totals = new Map<Value, Value>();
  const recomputation = new Recomputation(forward, segmentOf, extension);

  for (const node of forward.toReversed()) {
    const gradients = Object.entries(node.outputs).flatMap(([name, value]) => {
      const total = totals.get(value);
      return total ? [[name, total] as const] : [];
    });
    const isLoss = Object.values(node.outputs).some((value) => sources.has(value));
    const wants = (input: string) => trained.has(node.inputs[input] as Value);
    if ((gradients.length === 0 && !isLoss) || !Object.keys(node.inputs).some(wants)) continue;

    const { inputs, outputs } = recomputation.valuesOf(node);
    const before = extension.nodes.length;
    const results = gradientOf(node)({
      inputs,
      outputs,
      attributes: node.attributes,
      outputGradients: Object.fromEntries(gradients),
      wants,
      add: extension.at(`${node.path}.gradient`),
    });
    for (const [name, gradient] of Object.entries(results)) {
      const value = node.inputs[name];
      if (!gradient || !value || !wants(name)) continue;
      requireTypeOf(value, gradient, node, name);
      totals.set(value, accumulated(extension, before, totals.get(value), gradient, node.path));
    }
  }
  return new Map(
    wanted.flatMap((value) => {
      const total = totals.get(value);
      return total ? [[value, total] as const] : [];
    }),
  );
}

/** All values that depend on some of `leaves`, these included. */
function dependents(nodes: readonly Node[], leaves: readonly Value[]): Set<Value> {
  const found = new Set(leaves);
  for (const node of nodes)
    if (Object.values(node.inputs).some((value) => found.has(value)))
      for (const value of Object.values(node.outputs)) found.add(value);
  return found;
}

function gradientOf({ path, spec }: Node) {
  if (spec.gradient) return spec.gradient;
  throw new OcrnetError(
    'UNSUPPORTED',
    `${path}: ${spec.name} has no gradient, yet something trained leads through it`,
  );
}

/** In a graph of several element types every gradient has that of its value: what rounds activations rounds their gradients. */
function requireTypeOf({ type }: Value, gradient: Value, { path, spec }: Node, input: string): void {
  if (gradient.type.dataType === type.dataType) return;
  const [wanted, given] = [formatType(type), formatType(gradient.type)];
  throw new OcrnetError(
    'INVALID_GRAPH',
    `${path}: ${spec.name} gives its input "${input}", ${wanted}, a gradient in ${given}`,
  );
}

/** total + gradient. Nodes from `before` on belong to this gradient alone. */
function accumulated(
  extension: GraphExtension,
  before: number,
  total: Value | undefined,
  gradient: Value,
  path: string,
): Value {
  if (!total) return gradient;
  const host = extension.nodes.slice(before).find(({ spec, inputs, outputs }) => {
    const adds = spec.facts.epilogue?.residual === true && inputs.residual === undefined;
    return adds && Object.values(outputs).includes(gradient);
  });
  if (!host) return extension.at(`${path}.gradient`)(add, { a: total, b: gradient }, noActivation).y;
  extension.widen(host, 'residual', total);
  return gradient;
}

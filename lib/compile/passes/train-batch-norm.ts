import type { Graph, Node, Value } from '../../ir/graph.js';
import { erase } from '../../ir/op.js';
import { rewrite } from '../../ir/rewrite.js';
import { invertible } from '../../ops/batch-norm-training.js';
import { noActivation } from '../../ops/epilogue.js';
import { batchNorm, batchNormTraining } from '../../ops/index.js';

const inferenceSpec = erase(batchNorm);
const trainingSpec = erase(batchNormTraining);

export interface BatchNormOptions {
  /** Part of the batch's statistics in the running ones at each step: 0.1 in PyTorch. */
  readonly momentum: number;
  /** Where the running statistics are used and kept as they are, by the node's path. */
  readonly frozen: (path: string) => boolean;
  /** The statistics are those of all devices of the group; by default those of each. */
  readonly synchronised?: boolean;
}

/** Every batch norm normalises with the statistics of its batch and updates the running ones, or is frozen. */
export function trainBatchNorm(
  graph: Graph,
  { momentum, frozen, synchronised = false }: BatchNormOptions,
): Graph {
  return rewrite(graph, (node, pen) => {
    if (node.spec !== inferenceSpec) {
      pen.emitFor(node);
      return;
    }
    const isFrozen = frozen(node.path);
    const emitted = pen.emit(
      trainingSpec,
      pen.mapAll(node.inputs),
      {
        epsilon: node.attributes.epsilon as number,
        momentum,
        frozen: isFrozen,
        synchronised: synchronised && !isFrozen,
        recoversInput: false,
        ...noActivation,
      },
      node.path,
    );
    pen.replace(node.outputs.y as Value, emitted.outputs.y as Value);
    if (isFrozen) return;
    for (const name of Object.keys(trainingSpec.facts.updates ?? {}))
      pen.update(emitted.outputs[name] as Value);
  });
}

/**
 * In-place activated batch norm, wherever the activation can be undone: x is recovered from y in the backward pass, so that y
 * may lie where x did. After the fusion of activations.
 */
export function recoverNormalisedInputs(graph: Graph): Graph {
  return rewrite(graph, (node, pen) => {
    const attributes = canRecover(node) ? { ...node.attributes, recoversInput: true } : node.attributes;
    pen.emitFor(node, { attributes });
  });
}

function canRecover({ spec, inputs, attributes }: Node): boolean {
  if (spec !== trainingSpec || inputs.residual) return false;
  return invertible(attributes as { activation: string; negativeSlope: number });
}

import { eachWeight, type ReadParameter } from '../checkpoint/weights.js';
import type { Graph } from '../ir/graph.js';
import type { Weights } from '../runtime/weights.js';

/**
 * Puts what a compiled graph reads and the device does not have yet among its weights. Precision does not matter: weights are
 * float32, whatever the device makes of them.
 */
export function uploadWeights(compiled: Graph, read: ReadParameter, weights: Weights): void {
  const parameters = compiled.parameters.filter(({ name }) => !weights.has(name));
  for (const [{ name, value }, data] of eachWeight({ parameters }, read))
    weights.set(name, value.type.shape, data);
}

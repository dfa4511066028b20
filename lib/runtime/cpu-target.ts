import type { Inspection, Target } from '../compile/target.js';
import type { Node } from '../ir/graph.js';
import { erase } from '../ir/op.js';
import { conv2d } from '../ops/index.js';

const convolution = erase(conv2d);

/** The CPU as the compiler sees it. `inspect` asks the native device. */
export function cpuTarget(inspect: (plan: Uint8Array) => readonly Inspection[]): Target {
  return {
    name: 'cpu',
    unsupported: ({ spec }) => (spec.facts.compiledAway ? 'it is always compiled away' : undefined),
    // oneDNN's convolutions want dense tensors and would pay for a slice with a copy; ours do not mind.
    slicesFreely: (node) => node.spec !== convolution || isWinograd(node),
    inspect,
  };
}

/** The convolutions that the device computes by its own Winograd algorithm: float32, 3×3, stride 1, more than a few channels. */
function isWinograd({ inputs, attributes }: Node): boolean {
  const [outputs = 0, height, width, channels = 0] = inputs.filter?.type.shape ?? [];
  return (
    inputs.x?.type.dataType === 'float32' &&
    height === 3 &&
    width === 3 &&
    attributes.stride === 1 &&
    attributes.groups === 1 &&
    Math.min(outputs, channels) >= 32
  );
}

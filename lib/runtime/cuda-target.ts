import { takeMoments } from '../compile/passes/take-moments.js';
import type { Target } from '../compile/target.js';

/** A GPU as the compiler sees it. `inspect` asks the native device. */
export function cudaTarget(inspect: Target['inspect']): Target {
  return {
    name: 'cuda',
    unsupported: ({ spec }) => (spec.facts.compiledAway ? 'it is always compiled away' : undefined),
    // All kernels take the stride of pixels as it is. Where slices do not start at whole words they are read by the element,
    // which is less than a copy.
    slicesFreely: () => true,
    // A tile of results is in registers when its moments are found; read once more, it comes from memory.
    prepare: takeMoments,
    inspect,
  };
}

import { fuseGather } from '../compile/passes/gather-regions.js';
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
    // A tile of results is in registers when its moments are found, and so are shares of regions when they are gathered by;
    // read once more, either comes from memory.
    prepare: (graph) => fuseGather(takeMoments(graph)),
    inspect,
  };
}

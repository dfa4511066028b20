import type { Precision } from '../compile/passes/assign-precision.js';
import type { Target } from '../compile/target.js';
import { OcrnetError } from '../errors.js';
import { cpuTarget } from './cpu-target.js';
import type { DeviceKind } from './device-kind.js';
import type { NativeCpuInfo } from './native.js';

/** The processor. */
export function cpuKind({ threads, isa, bfloat16 }: NativeCpuInfo, inspect: Target['inspect']): DeviceKind {
  // Without instructions for it bfloat16 would be slower than float32.
  const precisions: readonly Precision[] = bfloat16 ? ['float32', 'bfloat16'] : ['float32'];
  return {
    target: cpuTarget(inspect),
    description: `${threads} threads`,
    identity: ({ cpuModel, oneDnnVersion }) =>
      `${cpuModel}, ${isa}, ${threads} threads, oneDNN ${oneDnnVersion}`,
    replicas: (count) => Array.from({ length: count }, (_, i) => ({ threads: partOf(threads, i, count) })),
    runsInFlight: 1,
    threads,
    precisions,
    trainingPrecisions: ['float32'],
    arithmetic: (precision) =>
      precision === 'bfloat16'
        ? { expected: 'AVX512-BF16 or AMX', received: isa }
        : { expected: precisions.join(' or '), received: precision },
    requireMemory,
  };
}

/** Of threads that several devices share; each has one at least. */
const partOf = (threads: number, i: number, count: number): number =>
  Math.max(1, Math.floor(((i + 1) * threads) / count) - Math.floor((i * threads) / count));

/** Systems that promise more memory than they have end the process instead of failing the allocation. */
function requireMemory(arenaBytes: number, heldBytes: number): void {
  const free = process.availableMemory() + heldBytes;
  if (arenaBytes <= free) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new OcrnetError('OUT_OF_MEMORY', 'The network does not fit into memory at this input size', {
    expected: `a plan of at most ${gigabytes(free)}, which are free`,
    received: `one of ${gigabytes(arenaBytes)}`,
  });
}

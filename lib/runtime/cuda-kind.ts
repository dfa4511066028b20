import { precisions } from '../compile/passes/assign-precision.js';
import type { Target } from '../compile/target.js';
import { cudaTarget } from './cuda-target.js';
import type { DeviceKind } from './device-kind.js';
import type { NativeCudaInfo } from './native.js';

/** A GPU of NVIDIA's. */
export function cudaKind(
  { index, model, computeCapability, tf32 }: NativeCudaInfo,
  inspect: Target['inspect'],
): DeviceKind {
  // Older tensor cores multiply float16 alone.
  const available = precisions.filter((type) => type !== 'bfloat16' || Number(computeCapability) >= 8);
  return {
    target: cudaTarget(inspect),
    description: model,
    identity: ({ cuda }) =>
      `${model}, compute capability ${computeCapability}, driver for CUDA ${cuda.driverVersion}, ${tf32 ? 'TF32' : 'float32'}`,
    replicas: (count) =>
      Array.from({ length: count }, (_, i) => ({ device: 'cuda', index: index + i, tf32 })),
    runsInFlight: 2,
    precisions: available,
    trainingPrecisions: available,
    arithmetic: () => ({
      expected: `compute capability 8.0 or newer, or ${available.join(' or ')}`,
      received: `compute capability ${computeCapability}`,
    }),
    // The GPU's memory is never promised twice: its allocation fails, and says what was planned and what is free.
    requireMemory: () => {},
  };
}

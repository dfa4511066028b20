import { cudaTarget } from './cuda-target.js';
import type { DeviceKind } from './device-kind.js';
import { type NativeCudaInfo, type NativeDevice, withOcrnetErrors } from './native.js';

/** A GPU of NVIDIA's. */
export function cudaKind(handle: NativeDevice, { model, computeCapability }: NativeCudaInfo): DeviceKind {
  return {
    target: cudaTarget((plan) => withOcrnetErrors(() => handle.inspect(plan))),
    description: model,
    precisions: ['float32', 'bfloat16'],
    trainingPrecisions: ['float32', 'bfloat16'],
    arithmetic: { expected: 'another GPU', received: `compute capability ${computeCapability}` },
    // The GPU's memory is never promised twice: its allocation fails, and says what was planned and what is free.
    requireMemory: () => {},
  };
}

import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import type { OurContender } from './contender.js';

/** How PyTorch is run: as it comes; captured into a CUDA graph, which leaves the kernels' own time; by torch.compile. */
export type PeerMode = 'eager' | 'graphed' | 'compiled';

/** What bench/peers/pytorch-gpu.py is told: the kind of work, and what that needs. */
export interface PeerWork {
  readonly kind: 'module' | 'operation' | 'network' | 'training';
  readonly [option: string]: unknown;
}

/** Something to be timed on a GPU. */
export interface GpuCase {
  readonly name: string;
  readonly precision: Precision;
  /** Bytes that have to be read and written once, where these decide and not the arithmetic. */
  readonly leastBytes?: number;
  /** In the order in which they matter. */
  readonly modes: readonly PeerMode[];
  /** Loads our side. */
  open(): Promise<OurContender>;
  /** Writes what PyTorch's side reads into a folder. */
  describe(folder: string): Promise<PeerWork>;
}

/**
 * The GPU as a precision wants it, with the algorithms that are fastest by the clock, as PyTorch's are. Its convolutions in
 * float32 round to TF32 by default, and so do ours where the two are compared.
 */
export const openGpu = (precision: Precision): Promise<Device> => {
  const tuning = process.env.OCRNET_GPU_TUNING;
  return openDevice({ device: 'cuda', tf32: precision === 'float32', ...(tuning && { tuning }) });
};

/** Disposes of the device where loading fails. */
export async function onDevice<T>(device: Device, load: (device: Device) => Promise<T>): Promise<T> {
  try {
    return await load(device);
  } catch (error) {
    await device.dispose();
    throw error;
  }
}

import type { Precision } from '../compile/passes/assign-precision.js';
import type { Target } from '../compile/target.js';
import type { DeviceOptions } from './device.js';
import type { NativeDescription } from './native.js';

/** What devices of one kind do in a way of their own. */
export interface DeviceKind {
  readonly target: Target;
  /** What computes, in few words. */
  readonly description: string;
  /** All that an algorithm's time depends on besides the problem. */
  identity(machine: NativeDescription): string;
  /** How so many devices are opened that train together in place of this one. */
  replicas(count: number): readonly DeviceOptions[];
  /** Runs that overlap, of those that are started without waiting for each other; native/runtime/in-flight.h bounds them. */
  readonly runsInFlight: number;
  /** Threads that compute, where they are the processor's. */
  readonly threads?: number;
  /** Element types of activations in which networks run. */
  readonly precisions: readonly Precision[];
  /** Those in which networks are trained. */
  readonly trainingPrecisions: readonly Precision[];
  /** What a precision that is missing would need, or what there is beside it; and what was there instead, or asked for. */
  arithmetic(missing: Precision): { readonly expected: string; readonly received: string };
  /**
   * @param heldBytes - what the device's arena has already
   * @throws OcrnetError OUT_OF_MEMORY where it is known that a plan's arena cannot be had
   */
  requireMemory(arenaBytes: number, heldBytes: number): void;
}

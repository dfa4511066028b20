import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import type { ContextKind, ModuleSize } from '../../lib/models/contexts/index.js';
import type { DeviceName } from '../../lib/runtime/device.js';

// What a contender, in a process of its own, is told and says. Once it has loaded the module it says what it is ready with.
// "measure" is asked first, if at all, and answered by SideMemory; "run" by SideRun; "save FILE", by {} when the result of the
// last run is in the file, (N, H, W, C) in float32. PyTorch also takes "layout NAME" and answers {}.

export interface SideOptions {
  readonly kind: ContextKind;
  readonly size: ModuleSize;
  readonly precision: Precision;
  /** Without the passes of the compiler that move work between operations. */
  readonly plain: boolean;
  readonly device: DeviceName;
  /** Of the processor; undefined on a GPU. */
  readonly threads?: number | undefined;
}

export interface OursReady {
  /** Beyond the input and the weights: the arena of the plan, and the module's result beside it. */
  readonly plannedBytes: number;
  readonly flopsExecuted: number;
  /** How many convolutions run by each algorithm, by the device's names. */
  readonly algorithms: Readonly<Record<string, number>>;
  /** Steps of the plan, as text: equal where two plans are. */
  readonly steps: string;
}

export interface PyTorchReady {
  /** "PyTorch 1.13.1". */
  readonly peer: string;
}

/** Of PyTorch's memory formats, those in which a convolution may be fast. */
export const layouts = ['contiguous', 'channels_last'] as const;
export type Layout = (typeof layouts)[number];

/**
 * What the first run of a module took of the device's memory, apart from its input and its weights: on the processor by the
 * process's resident memory, on a GPU by what its allocator handed out.
 */
export interface SideMemory {
  /** The growth in that run, at its peak. The module's result is in it. */
  readonly measuredBytes: number;
  /** All of the process at that moment; on a GPU all that is used of it. */
  readonly residentBytes: number;
}

export interface SideRun {
  readonly ms: number;
}

import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import type { DeviceName } from '../../lib/runtime/device.js';

/** Where and how results came about. */
export interface About {
  /** The name of the processor or the GPU that computes. */
  readonly machine: string;
  readonly device: DeviceName;
  readonly precision: Precision;
  /** Of a processor. */
  readonly threads?: number | undefined;
  /** Counted runs of each contender. */
  readonly runs: number;
  /** Only without the compiler's algebra. */
  readonly plain: boolean;
}

/** "float32, 2 threads of AMD EPYC", "bfloat16, NVIDIA H200". */
export function whereabouts({ machine, precision, threads, plain }: About): string {
  const form = plain ? ', without the compiler’s algebra' : '';
  const part = threads === undefined ? '' : `${threads} ${threads === 1 ? 'thread' : 'threads'} of `;
  return `${precision}, ${part}${machine}${form}`;
}

import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import type { DeviceName } from '../../lib/runtime/device.js';

/** Where and how results came about. */
export interface About {
  /** The processor's name. */
  readonly machine: string;
  readonly device: DeviceName;
  readonly precision: Precision;
  readonly threads: number;
  /** Counted runs of each contender. */
  readonly runs: number;
  /** Only without the compiler's algebra. */
  readonly plain: boolean;
}

/** "float32, 2 threads of AMD EPYC". */
export function whereabouts({ machine, precision, threads, plain }: About): string {
  const form = plain ? ', without the compiler’s algebra' : '';
  return `${precision}, ${threads} ${threads === 1 ? 'thread' : 'threads'} of ${machine}${form}`;
}

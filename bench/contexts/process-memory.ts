import { readFileSync, writeFileSync } from 'node:fs';

/** The resident memory of this process as Linux counts it, in bytes. */
export interface ResidentMemory {
  readonly now: number;
  /** Since the process began, or since {@link forgetPeak}. */
  readonly peak: number;
}

/** @throws Error on systems without /proc */
export function residentMemory(): ResidentMemory {
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (name: string) => {
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    if (kibibytes === undefined) throw new Error(`/proc/self/status says nothing of ${name}`);
    return Number(kibibytes) * 1024;
  };
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}

/** From here on the peak is that of what comes. */
export function forgetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

import { execFileSync } from 'node:child_process';
import { describeMachine } from '../lib/runtime/device.js';
import { version } from '../lib/version.js';

/** What a result must say of where it came from. */
export function provenance(): Record<string, unknown> {
  return {
    date: new Date().toISOString(),
    version,
    commit: commit(),
    machine: describeMachine(),
    node: process.version,
  };
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

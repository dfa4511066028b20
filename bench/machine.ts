import { execFileSync } from 'node:child_process';
import { describeMachine } from '../lib/runtime/device.js';
import { version } from '../lib/version.js';

/** What a result must say of where it came from. */
export function provenance(): Record<string, unknown> {
  return { ...origin(), machine: describeMachine() };
}

/** The part that needs no addon. */
export function origin() {
  return { date: new Date().toISOString(), version, commit: commit(), node: process.version };
}

/** What was packed for another machine brings its commit along. */
function commit(): string {
  const { OCRNET_COMMIT: known } = process.env;
  if (known) return known;
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

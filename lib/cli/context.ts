import { CommanderError } from 'commander';
import type { ErrorCode } from '../errors.js';
import type { Terminal } from '../terminal/terminal.js';

/** What every command gets besides its own arguments. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

const exitCodeOf: ReadonlyMap<string, number> = new Map<ErrorCode, number>([
  ['INVALID_ARGUMENT', exitCodes.usage],
  ['ABORTED', exitCodes.interrupted],
]);

/** Says in one line what went wrong; gives the exit code. */
export function reportFailure(error: unknown, { note }: Terminal): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCodes.success;
    // Called without a command it has printed its help.
    if (error.code !== 'commander.help') note(formatError(error));
    return exitCodes.usage;
  }
  note(formatError(error));
  return exitCodeOf.get(codeOf(error)) ?? exitCodes.failure;
}

/** `ocrnet: message [CODE]`; with OCRNET_DEBUG in the environment the stack as well. */
export function formatError(error: unknown): string {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const oneLine = message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  const line = `ocrnet: ${oneLine} [${codeOf(error)}]`;
  return process.env.OCRNET_DEBUG ? `${line}\n${stack}` : line;
}

/** The OcrnetError's code, or Node's own. */
function codeOf(error: unknown): string {
  if (error instanceof CommanderError) return 'INVALID_ARGUMENT' satisfies ErrorCode;
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : 'INTERNAL';
}

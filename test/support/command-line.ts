import { runCommandLine } from '../../lib/cli/command-line.js';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `ocrnet` in this process, with nobody watching. */
export async function ocrnet(
  args: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<CommandResult> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const terminal = {
    print: (text: string) => void stdout.push(text),
    note: (text: string) => void stderr.push(text),
    watched: false,
    colours: false,
  };
  const code = await runCommandLine(args, { terminal, signal });
  return { code, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
}

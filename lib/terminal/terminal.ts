import pc from 'picocolors';

/** Where commands write: the process's own streams, or what a test puts in their place. */
export interface Terminal {
  /** What was asked for; goes to the standard output. */
  print(text: string): void;
  /** What is said besides; goes to the standard error. */
  note(text: string): void;
  /** Whether somebody watches the standard error: only then progress is shown. */
  readonly watched: boolean;
  readonly colours: boolean;
}

export const processTerminal: Terminal = {
  print: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
  watched: process.stderr.isTTY === true,
  colours: process.stdout.isTTY === true && pc.isColorSupported,
};

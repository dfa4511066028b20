#!/usr/bin/env node
import { processTerminal } from '../terminal/terminal.js';
import { runCommandLine } from './command-line.js';

// The first Ctrl-C stops the network between two steps and lets files be finished or removed; the second ends the process.
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());

// A reader that goes away, as `head` does, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

runCommandLine(process.argv.slice(2), { terminal: processTerminal, signal: interrupt.signal }).then(
  (code) => {
    process.exitCode = code;
  },
);

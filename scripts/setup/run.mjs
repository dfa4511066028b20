import { spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root folder. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * For what allocates and frees much, as compilers and tests of large networks do: memory in large pages, where the system has
 * them for who asks. Page by page it costs up to a third of their time.
 */
export const largePages = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };

/** A failure whose message says all that the user needs: printed without a stack. */
export class SetupError extends Error {}

/**
 * Runs a command in the checkout, with `input` to read, and returns what it printed. With `show` the output also appears
 * as it comes.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ show?: boolean, env?: NodeJS.ProcessEnv, input?: string }} [options]
 * @returns {Promise<{ code: number, output: string }>} code 127 if there is no such command
 */
export function run(command, args, { show = false, env = process.env, input = '' } = {}) {
  return new Promise((settle) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => {}); // a command need not read
    child.stdin.end(input);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (show) process.stdout.write(chunk);
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
      if (show) process.stderr.write(chunk);
    });
    child.on('error', (error) => settle({ code: 127, output: error.message }));
    child.on('close', (code) => settle({ code: code ?? 1, output }));
  });
}

/**
 * Runs a command that has to succeed; its output is printed only if it fails.
 *
 * @param {string} command
 * @param {string[]} args
 */
export async function mustRun(command, args) {
  const { code, output } = await run(command, args, { env: { ...largePages, ...process.env } });
  if (code === 0) return;
  throw new SetupError(`${command} ${args.join(' ')} failed (exit code ${code}):\n${output.trimEnd()}`);
}

/**
 * Does a step and prints one line with the time that it took.
 *
 * @param {string} title
 * @param {() => Promise<void>} work
 */
export async function step(title, work) {
  console.log(`setup: ${title} …`);
  const startMs = performance.now();
  await work();
  console.log(`setup: ${title}: done in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

/**
 * Runs a script's main function; turns a failure into a message and exit code 1.
 *
 * @param {() => Promise<void>} main
 */
export function runMain(main) {
  main().catch((error) => {
    console.error(error instanceof SetupError ? `error: ${error.message}` : error);
    process.exitCode = 1;
  });
}

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { OcrnetError } from '../lib/errors.js';

/**
 * A contender in a process of its own, whose memory is its alone: it says what it is in a line of JSON, and answers each line
 * with another. The end of its input ends it.
 */
export class LineProcess {
  readonly #name: string;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  constructor(
    name: string,
    command: string,
    options: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
  ) {
    this.#name = name;
    this.#process = spawn(command, options, { env });
    this.#process.stderr.on('data', (text) => {
      this.#errors += text;
    });
    this.#process.on('error', ({ message }) => {
      this.#errors += message;
    });
    // A process that ended does not read; why it ended comes with the answer.
    this.#process.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async ask<Answer>(line: string, limitMs?: number): Promise<Answer> {
    this.#process.stdin.write(`${line}\n`);
    return await this.answer(limitMs);
  }

  /**
   * What it says next. At the limit it is killed.
   *
   * @throws OcrnetError ABORTED at the limit; EXECUTION_FAILED with what it wrote to its standard error, where it ends instead
   */
  async answer<Answer>(limitMs?: number): Promise<Answer> {
    let late = false;
    const kill = () => {
      late = this.#process.kill('SIGKILL');
    };
    const timer = limitMs === undefined ? undefined : setTimeout(kill, limitMs);
    const { done, value } = await this.#lines.next();
    clearTimeout(timer);
    if (!done) return JSON.parse(value);
    await this.close();
    if (late)
      throw new OcrnetError('ABORTED', `${this.#name} took longer than ${(limitMs as number) / 1000} s`);
    const reason = this.#errors.trim() || this.#process.signalCode || 'without a word';
    throw new OcrnetError('EXECUTION_FAILED', `${this.#name} ended: ${reason}`);
  }

  async close(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.stdin.end();
    await exited;
  }
}

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TrainStep, TrainStepResult } from '../train-step.js';

export interface PyTorchPeerOptions {
  /** Files that describeGraph and writeSafetensors made. */
  readonly graphFile: string;
  readonly weightsFile: string;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly classes: number;
  readonly alignCorners: boolean;
  readonly learningRate: number;
  readonly threads: number;
}

/** A Python that imports torch: what $OCRNET_PYTHON says, or the first of the usual ones; else why there is none. */
export function findPyTorch(): { readonly python: string } | { readonly reason: string } {
  const own = process.env.OCRNET_PYTHON;
  const candidates = own ? [own] : ['python3', '/usr/bin/python3', 'python'];
  for (const python of candidates)
    try {
      execFileSync(python, ['-c', 'import numpy, torch'], { stdio: 'ignore' });
      return { python };
    } catch {}
  return {
    reason: `no Python that imports torch and numpy: tried ${candidates.join(', ')}; $OCRNET_PYTHON names another`,
  };
}

/** A network in training in PyTorch, in its own process, which waits between two steps. */
export class PyTorchPeer implements TrainStep {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  private constructor(python: string, options: PyTorchPeerOptions) {
    const { graphFile, weightsFile, batch, height, width, classes, ...rest } = options;
    const script = fileURLToPath(new URL('pytorch-train.py', import.meta.url));
    this.#process = spawn(python, [
      script,
      graphFile,
      weightsFile,
      ...[batch, height, width, classes].map(String),
      ...['--threads', `${rest.threads}`],
      ...['--align-corners', rest.alignCorners ? '1' : '0'],
      ...['--learning-rate', `${rest.learningRate}`],
    ]);
    this.#process.stderr.on('data', (text) => {
      this.#errors += text;
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  static async open(python: string, options: PyTorchPeerOptions): Promise<PyTorchPeer> {
    const peer = new PyTorchPeer(python, options);
    await peer.#answer();
    return peer;
  }

  async step(): Promise<TrainStepResult> {
    this.#process.stdin.write('step\n');
    return (await this.#answer()) as TrainStepResult;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.stdin.end();
    await exited;
  }

  async #answer(): Promise<unknown> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`The PyTorch peer ended: ${this.#errors.trim() || 'it said nothing'}`);
    return JSON.parse(value);
  }
}

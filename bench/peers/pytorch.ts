import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LineProcess } from '../line-process.js';
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
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  static async open(python: string, options: PyTorchPeerOptions): Promise<PyTorchPeer> {
    const { graphFile, weightsFile, batch, height, width, classes, ...rest } = options;
    const process = new LineProcess('the PyTorch peer', python, [
      fileURLToPath(new URL('pytorch-train.py', import.meta.url)),
      graphFile,
      weightsFile,
      ...[batch, height, width, classes].map(String),
      ...['--threads', `${rest.threads}`],
      ...['--align-corners', rest.alignCorners ? '1' : '0'],
      ...['--learning-rate', `${rest.learningRate}`],
    ]);
    await process.answer();
    return new PyTorchPeer(process);
  }

  async step(): Promise<TrainStepResult> {
    return await this.#process.ask('step');
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}

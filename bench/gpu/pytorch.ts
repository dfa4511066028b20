import { fileURLToPath } from 'node:url';
import { LineProcess } from '../line-process.js';
import type { PeerMode, PeerWork } from './case.js';
import type { Contender } from './contender.js';

/** What the peer says of itself. */
export interface PyTorchGpu {
  /** "PyTorch 2.11.0+cu130, cuDNN 9.13". */
  readonly peer: string;
  readonly gpu: string;
  /** Of a large matrix product in bfloat16 and of a large copy, measured at the start. */
  readonly ceilings: { readonly flopsPerSecond: number; readonly bytesPerSecond: number };
}

export interface PeerFacts {
  /** Of CUDA's memory, at most, until now and since the work was loaded. */
  readonly peakBytes: number;
}

/** PyTorch in one process, which loads one work after the other: importing it takes longer than most of them. */
export class PyTorchProcess {
  readonly about: PyTorchGpu;
  readonly #process: LineProcess;

  private constructor(process: LineProcess, about: PyTorchGpu) {
    this.#process = process;
    this.about = about;
  }

  static async start(python: string, device: 'cuda' | 'cpu'): Promise<PyTorchProcess> {
    const script = fileURLToPath(new URL('../peers/pytorch-gpu.py', import.meta.url));
    const process = new LineProcess('PyTorch', python, [script, device]);
    return new PyTorchProcess(process, await process.answer<PyTorchGpu>(120e3));
  }

  /** Loads a work and runs it once, compilation included. The one before it is let go. */
  async open(work: PeerWork, precision: string, mode: PeerMode, limitMs: number): Promise<PyTorchContender> {
    await this.#process.ask(`open ${JSON.stringify({ ...work, precision, mode })}`, limitMs);
    return new PyTorchContender(this.#process);
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}

/** Until the process is told to open the next one. */
export class PyTorchContender implements Contender {
  readonly #process: LineProcess;

  constructor(process: LineProcess) {
    this.#process = process;
  }

  async run(count: number): Promise<readonly number[]> {
    return (await this.#process.ask<{ ms: number[] }>(`run ${count}`, 120e3)).ms;
  }

  async facts(): Promise<PeerFacts> {
    return await this.#process.ask('facts');
  }

  /** Writes what one run computes into a file, in float32 and NHWC. */
  async save(file: string): Promise<void> {
    await this.#process.ask(`save ${file}`);
  }

  async close(): Promise<void> {
    await this.#process.ask('drop');
  }
}

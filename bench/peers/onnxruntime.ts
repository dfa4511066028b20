import { InferenceSession, Tensor } from 'onnxruntime-node';

/** A network in onnxruntime's CPU provider, with all of its optimisations. */
export class OnnxRuntimePeer {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  static async open(file: string, threads: number): Promise<OnnxRuntimePeer> {
    const session = await InferenceSession.create(file, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    });
    return new OnnxRuntimePeer(session);
  }

  /** Runs on picture bytes (N, H, W, 3); gives logits (N, K, h, w) and the time. */
  async run(
    image: Uint8Array,
    shape: readonly number[],
  ): Promise<{ logits: Float32Array; elapsedMs: number }> {
    const start = performance.now();
    const { logits } = await this.#session.run({ image: new Tensor('uint8', image, shape) });
    return { logits: logits?.data as Float32Array, elapsedMs: performance.now() - start };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

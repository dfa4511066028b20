import type { PlannedState } from '../compile/encode.js';
import { OcrnetError } from '../errors.js';
import { type NativeState, withOcrnetErrors } from './native.js';

/**
 * Memory on a device that outlives runs: named blocks of float32 numbers, zero at first, that training plans read and update.
 * Reads and writes happen between runs, in the order of the calls.
 */
export class DeviceState {
  readonly blocks: readonly PlannedState[];
  readonly #native: NativeState;
  #disposed = false;

  constructor(handle: NativeState, blocks: readonly PlannedState[]) {
    this.#native = handle;
    this.blocks = blocks;
  }

  /**
   * Copies numbers into a block, from element `first` on. The array must not change until the promise settles.
   *
   * @throws OcrnetError INVALID_ARGUMENT where there is no such block or range
   */
  async write(name: string, data: Float32Array, first = 0): Promise<void> {
    await withOcrnetErrors(() => this.handle.write(name, first, data));
  }

  /** Reads `count` numbers of a block, by default all from `first` on. */
  async read(name: string, first = 0, count = this.#elements(name) - first): Promise<Float32Array> {
    const data = new Float32Array(count);
    await withOcrnetErrors(() => this.handle.read(name, first, data));
    return data;
  }

  get byteLength(): number {
    return this.handle.bytes();
  }

  get handle(): NativeState {
    if (this.#disposed) throw new OcrnetError('DISPOSED', 'The state was disposed');
    return this.#native;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#native.dispose();
  }

  #elements(name: string): number {
    return this.blocks.find((block) => block.name === name)?.elements ?? 0;
  }
}

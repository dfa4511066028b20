import { OcrnetError } from '../errors.js';
import { type NativeAbortToken, native, withOcrnetErrors } from './native.js';

/**
 * Runs of one device that are started without waiting for each other, while each goes on from what the one before left in the
 * device's state. Behind one that fails or is aborted none runs: they reject with ABORTED. Those before it are not touched.
 */
export class RunChain {
  readonly handle: NativeAbortToken = withOcrnetErrors(() => native().createAbortToken());
  #broken = false;

  /** Whether a run is known to have failed. The device knows it earlier: when the next one's turn comes. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Starts a run behind the others. What `start` throws at once is known to those that are started next. */
  async add<T>(start: () => Promise<T>): Promise<T> {
    if (this.#broken) throw new OcrnetError('ABORTED', 'A run before this one failed');
    try {
      return await start();
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }
}

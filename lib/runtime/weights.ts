import { OcrnetError } from '../errors.js';
import type { Shape } from '../ir/tensor-type.js';
import { type NativeWeights, withOcrnetErrors } from './native.js';

/** A model's parameters on a device, in float32, shared by all plans of the model. */
export class Weights {
  readonly #native: NativeWeights;
  readonly #names = new Set<string>();
  #disposed = false;

  constructor(handle: NativeWeights) {
    this.#native = handle;
  }

  /** Copies a tensor in. */
  set(name: string, shape: Shape, data: Float32Array): void {
    withOcrnetErrors(() => this.handle.set(name, [...shape], data));
    this.#names.add(name);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Held now, with the reordered forms that plans have asked for. */
  get byteLength(): number {
    return this.handle.bytes();
  }

  get handle(): NativeWeights {
    if (this.#disposed) throw new OcrnetError('DISPOSED', 'The weights were disposed');
    return this.#native;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#native.dispose();
  }
}

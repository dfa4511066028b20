import type { Shape } from '../ir/tensor-type.js';

/** Tensors by name, read one at a time, in PyTorch's layout: filters are (O, I, kh, kw). */
export interface TensorSource {
  /** Where the tensors come from, for error messages: a path, mostly. */
  readonly description: string;
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape }>;
  /** One tensor as float32, in row-major order. */
  read(name: string): Float32Array;
}

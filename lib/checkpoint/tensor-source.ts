import type { Shape } from '../ir/tensor-type.js';

/** Tensors by name, from a checkpoint or from memory, in PyTorch's layout: filters are (O, I, kh, kw). */
export interface TensorSource {
  /** Where the tensors come from, for error messages: a path, mostly. */
  readonly description: string;
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape }>;
  /** One tensor as float32, in row-major order. */
  read(name: string): Float32Array;
}

export interface NamedTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array;
}

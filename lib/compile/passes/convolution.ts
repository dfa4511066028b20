import type { Node, Parameter, Value } from '../../ir/graph.js';

/** A convolution without groups and without epilogue, as passes that rewrite convolutions see it. */
export interface Convolution {
  readonly node: Node;
  readonly x: Value;
  readonly y: Value;
  readonly filter: Parameter;
  readonly bias: Value | undefined;
  /** Names of the two inputs. */
  readonly names: { readonly filter: string; readonly bias: string };
  /** Of a square filter, with an odd number of taps. */
  readonly kernel: number;
  readonly dilation: number;
  readonly stride: number;
  /** Whether the padding is what keeps the size at stride 1. */
  readonly isCentred: boolean;
}

/** The convolution that a node is, if it is such a one. */
export function asConvolution(
  node: Node,
  parameters: ReadonlyMap<Value, Parameter>,
): Convolution | undefined {
  const { convolves: names } = node.spec.facts;
  if (!names) return undefined;
  const { x, residual, [names.filter]: filterValue, [names.bias]: bias } = node.inputs;
  const filter = filterValue && parameters.get(filterValue);
  const { stride, padding, dilation, groups, activation } = node.attributes as unknown as Attributes;
  if (!x || !filter || residual || groups !== 1 || activation !== 'none') return undefined;
  const [, kernel = 0, kernelWidth] = filter.value.type.shape;
  if (kernel !== kernelWidth || kernel % 2 === 0) return undefined;
  const isCentred = padding === (dilation * (kernel - 1)) / 2;
  const y = node.outputs.y as Value;
  return { node, x, y, filter, bias, names, kernel, dilation, stride, isCentred };
}

interface Attributes {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
  readonly activation: string;
}

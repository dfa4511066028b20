import type { AttributeValue } from '../../lib/ir/op.js';
import { elementCount, type FloatType, type Shape } from '../../lib/ir/tensor-type.js';
import type { Activation } from '../../lib/ops/epilogue.js';

/** What the reference operations share: see reference-ops.ts. */

/** A tensor in float64, whatever its element type in the graph. */
export interface ReferenceTensor {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export type ReferenceOp = (
  inputs: Readonly<Record<string, ReferenceTensor>>,
  attributes: Readonly<Record<string, AttributeValue>>,
) => Record<string, ReferenceTensor>;

export type R = ReferenceTensor;
export type Epilogue = { activation: Activation; negativeSlope: number };
/** An operation with its inputs and attributes typed; `referenceOps` forgets them, as graphs do. */
export type Reference<I, A> = (inputs: I, attributes: A) => Record<string, ReferenceTensor>;
export const erase = <I, A>(reference: Reference<I, A>) => reference as unknown as ReferenceOp;

export type Four = readonly [number, number, number, number];

export const make = (shape: Shape): ReferenceTensor => ({
  shape,
  data: new Float64Array(elementCount(shape)),
});
export const four = ({ shape }: ReferenceTensor): Four => shape as unknown as Four;

/** Element (a, b, c, d) of a tensor with four axes. */
export function at({ shape, data }: ReferenceTensor, a: number, b: number, c: number, d: number): number {
  // Indexed, not destructured: this is where the time goes.
  const index = (a * (shape[1] as number) + b) * (shape[2] as number) + c;
  return data[index * (shape[3] as number) + d] as number;
}

/** A tensor filled from its indices. */
export function fill(
  shape: Four,
  value: (n: number, y: number, x: number, c: number) => number,
): ReferenceTensor {
  const result = make(shape);
  let i = 0;
  for (let n = 0; n < shape[0]; n++)
    for (let y = 0; y < shape[1]; y++)
      for (let x = 0; x < shape[2]; x++)
        for (let c = 0; c < shape[3]; c++) result.data[i++] = value(n, y, x, c);
  return result;
}

export const map = (
  { shape, data }: ReferenceTensor,
  f: (value: number, i: number) => number,
): ReferenceTensor => ({
  shape,
  data: data.map(f),
});

export function activation(value: number, kind: Activation, negativeSlope: number): number {
  switch (kind) {
    case 'none':
      return value;
    case 'relu':
      return Math.max(value, 0);
    case 'relu6':
      return Math.min(Math.max(value, 0), 6);
    case 'leakyRelu':
      return value >= 0 ? value : value * negativeSlope;
  }
}

/** What an epilogue does: result + residual, then the activation. */
export function epilogue(
  y: ReferenceTensor,
  residual: ReferenceTensor | undefined,
  attributes: { activation: Activation; negativeSlope: number },
): ReferenceTensor {
  return map(y, (value, i) =>
    activation(value + (residual?.data[i] ?? 0), attributes.activation, attributes.negativeSlope),
  );
}

export function softmax(values: number[]): number[] {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The two source positions that a bilinear output position mixes, and the weight of the second. */
export function bilinearSource(
  i: number,
  from: number,
  to: number,
  alignCorners: boolean,
): { low: number; high: number; weight: number } {
  const exact = alignCorners
    ? to === 1
      ? 0
      : (i * (from - 1)) / (to - 1)
    : Math.max(0, ((i + 0.5) * from) / to - 0.5);
  const low = Math.min(Math.floor(exact), from - 1);
  return { low, high: Math.min(low + 1, from - 1), weight: exact - low };
}

export function resizeBilinearTo(
  x: ReferenceTensor,
  height: number,
  width: number,
  alignCorners: boolean,
): ReferenceTensor {
  const [batch, fromHeight, fromWidth, channels] = four(x);
  return fill([batch, height, width, channels], (n, row, column, c) => {
    const v = bilinearSource(row, fromHeight, height, alignCorners);
    const h = bilinearSource(column, fromWidth, width, alignCorners);
    const along = (y: number) => at(x, n, y, h.low, c) * (1 - h.weight) + at(x, n, y, h.high, c) * h.weight;
    return along(v.low) * (1 - v.weight) + along(v.high) * v.weight;
  });
}

/** Significant bits, and the exponents of the least normal number and of the power of two that is too large. */
const formats = {
  bfloat16: { bits: 8, least: -126, beyond: 128 },
  float16: { bits: 11, least: -14, beyond: 16 },
} as const;

/** The number of a type that is nearest to a value, ties to the even one, as float64. */
export function roundTo(type: FloatType, value: number): number {
  if (type === 'float32') return Math.fround(value);
  if (!Number.isFinite(value) || value === 0) return value;
  const { bits, least, beyond } = formats[type];
  // Below the least normal number all are whole multiples of one.
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(Math.fround(value)))), least);
  const unit = 2 ** (exponent - bits + 1);
  const scaled = Math.fround(value) / unit;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const rounded = (up ? floor + 1 : floor) * unit;
  return Math.abs(rounded) >= 2 ** beyond ? Math.sign(rounded) * Infinity : rounded;
}

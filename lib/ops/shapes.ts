import { requireShape } from '../ir/op.js';
import {
  floatTypes,
  formatShape,
  formatType,
  isFloat,
  sameShape,
  type TensorType,
} from '../ir/tensor-type.js';

/** The four sizes of an (N, H, W, C) activation. */
export function nhwc(type: TensorType, name: string): [number, number, number, number] {
  requireShape(type.shape.length === 4, () => `needs ${name} as (N, H, W, C), got ${formatType(type)}`);
  return type.shape as unknown as [number, number, number, number];
}

export function requireFloat(type: TensorType, name: string): void {
  requireShape(
    isFloat(type.dataType),
    () => `needs ${name} in ${floatTypes.join(' or ')}, got ${formatType(type)}`,
  );
}

/** A per-channel float32 vector. */
export function requireVector(type: TensorType | undefined, name: string, channels: number): void {
  if (type === undefined) return;
  requireShape(
    type.dataType === 'float32' && sameShape(type.shape, [channels]),
    () => `needs ${name} as float32[${channels}], got ${formatType(type)}`,
  );
}

export function requireSameType(a: TensorType, b: TensorType | undefined, names: string): void {
  if (b === undefined) return;
  requireShape(
    a.dataType === b.dataType && sameShape(a.shape, b.shape),
    () => `needs equal types for ${names}, got ${formatType(a)} and ${formatType(b)}`,
  );
}

export function requirePositive(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values))
    requireShape(value > 0, () => `needs ${name} > 0, got ${value}`);
}

/** Output size of a sliding window, as PyTorch counts it. */
export function windowCount(
  size: number,
  kernel: number,
  {
    stride,
    padding,
    dilation = 1,
    ceilMode = false,
  }: { stride: number; padding: number; dilation?: number; ceilMode?: boolean },
): number {
  const room = size + 2 * padding - dilation * (kernel - 1) - 1;
  if (room < 0) return 0;
  const count = (ceilMode ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
  // A last window must not start beyond the image and its leading padding.
  return ceilMode && (count - 1) * stride >= size + padding ? count - 1 : count;
}

export const shapeText = (type: TensorType): string => formatShape(type.shape);

/** Flat float32 vectors of one length, `count` where it is given; gives the length. */
export function requireFlat(vectors: Readonly<Record<string, TensorType>>, count?: number): number {
  const length = count ?? Object.values(vectors)[0]?.shape[0] ?? 0;
  for (const [name, vector] of Object.entries(vectors)) requireVector(vector, name, length);
  return length;
}

/** `count` elements from the `first` on lie within a vector of `length`. */
export function requireRange({ first, count }: { first: number; count: number }, length: number): void {
  requireShape(
    first >= 0 && count > 0 && first + count <= length,
    () => `has no elements ${first} to ${first + count - 1} of ${length}`,
  );
}

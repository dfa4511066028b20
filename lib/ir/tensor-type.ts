/** Element types of tensors, in the order of their codes in an encoded plan. */
export const dataTypes = ['float32', 'bfloat16', 'float16', 'uint8', 'uint16', 'int32'] as const;
export type DataType = (typeof dataTypes)[number];

/** Those of activations. */
export const floatTypes = ['float32', 'bfloat16', 'float16'] as const satisfies readonly DataType[];
export type FloatType = (typeof floatTypes)[number];

/** Activations are (N, H, W, C), filters (O, kh, kw, I), vectors (C). */
export type Shape = readonly number[];

export interface TensorType {
  readonly dataType: DataType;
  readonly shape: Shape;
}

const bytesOf: Readonly<Record<DataType, number>> = {
  float32: 4,
  bfloat16: 2,
  float16: 2,
  uint8: 1,
  uint16: 2,
  int32: 4,
};

export const bytesPerElement = (dataType: DataType): number => bytesOf[dataType];
export const elementCount = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);
/** Rows of channels: the product of all sizes but the last. */
export const pixelCount = (type: TensorType): number => elementCount(type.shape.slice(0, -1));
export const byteLength = (type: TensorType): number =>
  elementCount(type.shape) * bytesPerElement(type.dataType);
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);
export const isFloat = (dataType: DataType): dataType is FloatType =>
  floatTypes.includes(dataType as FloatType);

export const formatShape = (shape: Shape): string => (shape.length === 0 ? 'scalar' : shape.join('×'));
export const formatType = (type: TensorType): string => `${type.dataType}[${formatShape(type.shape)}]`;

import type { FloatType } from './tensor-type.js';

/** Conversions between float32 and the 16-bit float types, rounding to nearest even. */

const bits = new DataView(new ArrayBuffer(4));

function bitsOf(value: number): number {
  bits.setFloat32(0, value);
  return bits.getUint32(0);
}

/** Widens IEEE half-precision numbers (5 exponent bits, 10 fraction bits), which float32 holds exactly. */
export function widenFloat16(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  });
}

/** Widens bfloat16 numbers: the upper halves of float32 ones. */
export function widenBfloat16(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

export function narrowToFloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    const word = bitsOf(value);
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00;
    // 65520, half-way between the largest half and the power of two after it, and all above go to infinity.
    if (magnitude >= 0x477ff000) return sign | 0x7c00;
    // Below 2^-14 halves are whole multiples of 2^-24.
    if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(value) * 2 ** 24);
    return sign | roundOff(magnitude - 0x38000000, 13);
  });
}

export function narrowToBfloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    const word = bitsOf(value);
    // A NaN whose fraction lies in the lower half alone must not become an infinity.
    return (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : roundOff(word, 16);
  });
}

/** Elements of a type, as float32. */
export function widen(elements: Float32Array | Uint16Array, type: FloatType): Float32Array {
  if (elements instanceof Float32Array) return elements;
  return type === 'float16' ? widenFloat16(elements) : widenBfloat16(elements);
}

/** float32 numbers as elements of a type. */
export function narrow(values: Float32Array, type: FloatType): Float32Array | Uint16Array {
  if (type === 'float32') return values;
  return type === 'float16' ? narrowToFloat16(values) : narrowToBfloat16(values);
}

/** Drops `count` low bits, rounding to nearest even; a carry into the exponent is what rounding up must do. */
const roundOff = (word: number, count: number): number => {
  const lowestKept = (word >>> count) & 1;
  return (word + lowestKept + 2 ** (count - 1) - 1) / 2 ** count;
};

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

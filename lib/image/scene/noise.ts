/** A number in [0, 1) from whole numbers: the only source of chance, so that pixels need no order. */
export function hash(seed: number, a: number, b = 0): number {
  let bits = Math.imul(seed, 0x9e3779b1) ^ Math.imul(a, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35);
  bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d);
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39);
  return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
}

const ease = (t: number): number => t * t * (3 - 2 * t);
const mix = (a: number, b: number, t: number): number => a + (b - a) * t;

/** Smooth chance over the plane, in [0, 1). */
export function noise(seed: number, x: number, y: number): number {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const u = ease(x - column);
  const top = mix(hash(seed, column, row), hash(seed, column + 1, row), u);
  const bottom = mix(hash(seed, column, row + 1), hash(seed, column + 1, row + 1), u);
  return mix(top, bottom, ease(y - row));
}

/** An element of a list, by chance in [0, 1). */
export const pick = <T>(list: readonly T[], chance: number): T => list[Math.floor(chance * list.length)] as T;

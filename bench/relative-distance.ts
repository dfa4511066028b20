/** ‖a − b‖ / ‖b‖. */
export function relativeDistance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`results of ${a.length} and of ${b.length} numbers`);
  let [squares, whole] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const expected = b[i] as number;
    squares += ((a[i] as number) - expected) ** 2;
    whole += expected ** 2;
  }
  return Math.sqrt(squares / whole);
}

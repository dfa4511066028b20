/**
 * Normal numbers from uniform ones (Box and Muller 1958), the same bits on every machine. Math.log and Math.cos may differ in
 * the last bit between engines; these series use nothing but +, −, ×, ÷ and √, which IEEE 754 fixes exactly.
 */

/** Writes two independent normal numbers with mean 0, made from u and v in (0, 1), into `pair`. */
export function boxMuller(u: number, v: number, standardDeviation: number, pair: [number, number]): void {
  const radius = standardDeviation * Math.sqrt(-2 * naturalLog(u));
  // v = quadrant / 4 + rest, exactly, with rest in [−1/8, 1/8]: the angle is turned by whole quarters.
  const quadrant = Math.floor(4 * v + 0.5);
  const angle = 2 * Math.PI * (v - quadrant / 4);
  const x = radius * cosine(angle);
  const y = radius * sine(angle);
  const turned = quadrant % 4;
  pair[0] = turned === 0 ? x : turned === 1 ? -y : turned === 2 ? -x : y;
  pair[1] = turned === 0 ? y : turned === 1 ? x : turned === 2 ? -y : -x;
}

/** ln of a number in (0, 1): 2 artanh((m − 1) / (m + 1)) + e · ln 2, with m in [√½, √2]. */
function naturalLog(u: number): number {
  let mantissa = u;
  let exponent = 0;
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent -= 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * square + 1 / k;
  return 2 * s * sum + exponent * Math.LN2;
}

/** cos of an angle in [−π/4, π/4], by its Taylor series in Horner's form. */
function cosine(angle: number): number {
  const square = angle * angle;
  let sum = 1;
  for (let k = 18; k >= 2; k -= 2) sum = 1 - (sum * square) / (k * (k - 1));
  return sum;
}

/** sin of an angle in [−π/4, π/4]. */
function sine(angle: number): number {
  const square = angle * angle;
  let sum = 1;
  for (let k = 19; k >= 3; k -= 2) sum = 1 - (sum * square) / (k * (k - 1));
  return angle * sum;
}

export interface Sample {
  readonly x: number;
  readonly y: number;
}

/** y = factor · x^exponent. */
export interface PowerLaw {
  readonly factor: number;
  readonly exponent: number;
  /** The samples that it was fitted to: nothing is said of what lies outside. */
  readonly from: number;
  readonly to: number;
}

/**
 * The power law through the upper half of some samples, by least squares of the logarithms: small sizes are ruled by what does
 * not grow. Undefined for fewer than two sizes, and where a sample is not positive.
 */
export function fitPowerLaw(samples: readonly Sample[]): PowerLaw | undefined {
  const sorted = samples.toSorted((a, b) => a.x - b.x);
  const upper = sorted.slice(-Math.max(2, Math.ceil(sorted.length / 2)));
  const logs = upper.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }));
  const [mx, my] = [mean(logs.map(({ x }) => x)), mean(logs.map(({ y }) => y))];
  const spread = logs.reduce((sum, { x }) => sum + (x - mx) ** 2, 0);
  if (!(spread > 0) || upper.some(({ y }) => !(y > 0))) return undefined;
  const exponent = logs.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0) / spread;
  const [first, last] = [upper[0] as Sample, upper.at(-1) as Sample];
  return { factor: Math.exp(my - exponent * mx), exponent, from: first.x, to: last.x };
}

/** Two digits: "1.04", "−0.50". */
export const formatExponent = ({ exponent }: PowerLaw): string =>
  exponent
    .toFixed(2)
    .replace(/^-0\.00$/, '0.00')
    .replace('-', '−');

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** A range of numbers and the round ones in it that an axis names. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
}

/**
 * An axis over all of `values` whose ends and ticks are round: multiples of 1, 2 or 5 times a power of ten.
 *
 * @param most - ticks, about
 */
export function axisOver(values: readonly number[], most: number, { zero = false } = {}): Axis {
  let [least, largest] = zero ? [0, 0] : [Infinity, -Infinity];
  for (const value of values) {
    least = Math.min(least, value);
    largest = Math.max(largest, value);
  }
  if (!(least <= largest)) [least, largest] = [0, 1];
  if (least === largest) [least, largest] = least === 0 ? [0, 1] : [Math.min(0, least), Math.max(0, largest)];
  const step = roundStep((largest - least) / most);
  // Counted in whole steps, so that 0.1 + 0.2 is no tick.
  const [first, last] = [Math.floor(least / step + 1e-9), Math.ceil(largest / step - 1e-9)];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
  return { from: ticks[0] as number, to: ticks.at(-1) as number, ticks };
}

/** The smallest of 1, 2, 5, 10 times a power of ten that is not below `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5].find((one) => one * power >= step * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** Ticks in as few characters as tell them apart: 0.0005, 2k, 1.5M. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`;
  if (size !== 0 && size < 1e-4) return value.toExponential(0).replace('-', '−');
  return String(Number(value.toPrecision(6)));
}

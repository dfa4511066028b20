import type { Parameter } from '../../ir/graph.js';
import type { Rewriter } from '../../ir/rewrite.js';
import type { Shape } from '../../ir/tensor-type.js';

// Filters made of parts of other filters, when weights are loaded. A name says which part of which: it depends on nothing else,
// so that equal parts in the plans of different input sizes are one weight.

/** Channels from `first` to `end`, not included. */
export interface ChannelRange {
  readonly first: number;
  readonly end: number;
}

/** The filter (O, kh, kw, I) for some of its input channels: (O, kh, kw, i). */
export function filterOfChannels(
  pen: Rewriter,
  filter: Parameter,
  ranges: readonly ChannelRange[],
): Parameter {
  const [outputs, height, width, channels] = four(filter);
  const joined = joinNeighbours(ranges);
  if (joined.length === 1 && joined[0]?.first === 0 && joined[0].end === channels) return filter;
  const rows = outputs * height * width;
  return derived(pen, `${filter.name}[${rangesText(joined)}]`, filter, {
    shape: [outputs, height, width, countOf(joined)],
    compute: (weights) => gather(weights, { rows, channels, ranges: joined, to: (row) => row }),
  });
}

/**
 * The filter (O, kh, kw, I) for some of its input channels, as a 1×1 filter that gives the products of all taps: (kh · kw · O, 1,
 * 1, i), tap by tap.
 */
export function filterOfTaps(pen: Rewriter, filter: Parameter, range: ChannelRange): Parameter {
  const [outputs, height, width, channels] = four(filter);
  const taps = height * width;
  if (taps === 1) return filterOfChannels(pen, filter, [range]);
  return derived(pen, `${filter.name}[${rangesText([range])}, taps]`, filter, {
    shape: [taps * outputs, 1, 1, range.end - range.first],
    compute: (weights) =>
      gather(weights, {
        rows: outputs * taps,
        channels,
        ranges: [range],
        to: (row) => (row % taps) * outputs + Math.floor(row / taps),
      }),
  });
}

/** The taps in the middle of a filter (O, k, k, I): (O, size, size, I). */
export function filterOfMiddle(pen: Rewriter, filter: Parameter, size: number): Parameter {
  const [outputs, kernel, , channels] = four(filter);
  const margin = (kernel - size) / 2;
  return derived(pen, `${filter.name}[middle ${size}×${size}]`, filter, {
    shape: [outputs, size, size, channels],
    compute(weights) {
      const result = new Float32Array(outputs * size * size * channels);
      for (let row = 0; row < outputs * size; row++) {
        const kernelRow = Math.floor(row / size) * kernel + margin + (row % size);
        const start = (kernelRow * kernel + margin) * channels;
        result.set(weights.subarray(start, start + size * channels), row * size * channels);
      }
      return result;
    },
  });
}

function derived(
  pen: Rewriter,
  name: string,
  filter: Parameter,
  { shape, compute }: { shape: Shape; compute: (weights: Float32Array) => Float32Array },
): Parameter {
  return pen.parameter(
    name,
    { dataType: 'float32', shape },
    { kind: 'derived', from: [filter], compute: ([weights]) => compute(weights as Float32Array) },
  );
}

/** Copies ranges of the channels of each row to the row that `to` says. */
function gather(
  weights: Float32Array,
  {
    rows,
    channels,
    ranges,
    to,
  }: { rows: number; channels: number; ranges: readonly ChannelRange[]; to: (row: number) => number },
): Float32Array {
  const count = countOf(ranges);
  const result = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    let place = to(row) * count;
    for (const { first, end } of ranges) {
      result.set(weights.subarray(row * channels + first, row * channels + end), place);
      place += end - first;
    }
  }
  return result;
}

function joinNeighbours(ranges: readonly ChannelRange[]): ChannelRange[] {
  const joined: ChannelRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last?.end === range.first) joined[joined.length - 1] = { first: last.first, end: range.end };
    else joined.push(range);
  }
  return joined;
}

const countOf = (ranges: readonly ChannelRange[]): number =>
  ranges.reduce((sum, { first, end }) => sum + end - first, 0);

const rangesText = (ranges: readonly ChannelRange[]): string =>
  ranges.map(({ first, end }) => `${first}:${end}`).join(', ');

const four = ({ value }: Parameter) => value.type.shape as readonly [number, number, number, number];

import type { AttributeValue } from '../../lib/ir/op.js';
import { elementCount, type Shape } from '../../lib/ir/tensor-type.js';
import type { Activation } from '../../lib/ops/epilogue.js';
import type { InferenceOperationName } from '../../lib/ops/index.js';
import { windowCount } from '../../lib/ops/shapes.js';

/**
 * Every operation in plain loops over float64, NHWC: what the specs say, written to be read and compared against, not to be
 * fast. Nothing is rounded to an output's element type, but for `cast` and integer labels.
 */

/** A tensor in float64, whatever its element type in the graph. */
export interface ReferenceTensor {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export type ReferenceOp = (
  inputs: Readonly<Record<string, ReferenceTensor>>,
  attributes: Readonly<Record<string, AttributeValue>>,
) => Record<string, ReferenceTensor>;

type Four = readonly [number, number, number, number];

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
function epilogue(
  y: ReferenceTensor,
  residual: ReferenceTensor | undefined,
  attributes: { activation: Activation; negativeSlope: number },
): ReferenceTensor {
  return map(y, (value, i) =>
    activation(value + (residual?.data[i] ?? 0), attributes.activation, attributes.negativeSlope),
  );
}

/** The bfloat16 number nearest to a value, ties to the even one, as float64. */
export function roundToBfloat16(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  // Eight significant bits; below 2^-126 numbers are whole multiples of 2^-133.
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(Math.fround(value)))), -126);
  const unit = 2 ** (exponent - 7);
  const scaled = Math.fround(value) / unit;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const rounded = (up ? floor + 1 : floor) * unit;
  return Math.abs(rounded) >= 2 ** 128 ? Math.sign(rounded) * Infinity : rounded;
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

const normalizeImage: Reference<{ image: R; scale: R; shift: R }, { reverseChannels: boolean }> = (
  { image, scale, shift },
  { reverseChannels },
) => {
  const channels = four(image)[3];
  return {
    y: fill(four(image), (n, y, x, c) => {
      const value = at(image, n, y, x, reverseChannels ? channels - 1 - c : c);
      return value * (scale.data[c] as number) + (shift.data[c] as number);
    }),
  };
};

const conv2d: Reference<
  { x: R; filter: R; bias?: R; residual?: R },
  { stride: number; padding: number; dilation: number; groups: number } & Epilogue
> = ({ x, filter, bias, residual }, attributes) => {
  const { stride, padding, dilation, groups } = attributes;
  const [batch, height, width] = four(x);
  const [outputs, kernelHeight, kernelWidth, inputs] = four(filter);
  const window = { stride, padding, dilation };
  const shape = [
    batch,
    windowCount(height, kernelHeight, window),
    windowCount(width, kernelWidth, window),
    outputs,
  ] as const;
  const y = fill(shape, (n, row, column, o) => {
    const firstInput = Math.floor(o / (outputs / groups)) * inputs;
    let sum = bias?.data[o] ?? 0;
    for (let ky = 0; ky < kernelHeight; ky++)
      for (let kx = 0; kx < kernelWidth; kx++) {
        const sourceRow = row * stride - padding + ky * dilation;
        const sourceColumn = column * stride - padding + kx * dilation;
        if (sourceRow < 0 || sourceRow >= height || sourceColumn < 0 || sourceColumn >= width) continue;
        for (let i = 0; i < inputs; i++)
          sum += at(x, n, sourceRow, sourceColumn, firstInput + i) * at(filter, o, ky, kx, i);
      }
    return sum;
  });
  return { y: epilogue(y, residual, attributes) };
};

const batchNorm: Reference<
  { x: R; weight: R; bias: R; runningMean: R; runningVariance: R },
  { epsilon: number }
> = ({ x, weight, bias, runningMean, runningVariance }, { epsilon }) => {
  const channels = four(x)[3];
  return {
    y: map(x, (value, i) => {
      const [w, b, mean, variance] = [weight, bias, runningMean, runningVariance].map(
        ({ data }) => data[i % channels] as number,
      ) as [number, number, number, number];
      return ((value - mean) / Math.sqrt(variance + epsilon)) * w + b;
    }),
  };
};

const scaleShift: Reference<{ x: R; scale: R; shift: R; residual?: R }, Epilogue> = (
  { x, scale, shift, residual },
  attributes,
) => {
  const channels = four(x)[3];
  const y = map(
    x,
    (value, i) => value * (scale.data[i % channels] as number) + (shift.data[i % channels] as number),
  );
  return { y: epilogue(y, residual, attributes) };
};

const activate: Reference<{ x: R }, Epilogue> = ({ x }, attributes) => ({
  y: epilogue(x, undefined, attributes),
});

const add: Reference<{ a: R; b: R }, Epilogue> = ({ a, b }, attributes) => ({
  y: epilogue(a, b, attributes),
});

const concat: Reference<{ a: R; b: R; c?: R; d?: R; e?: R; f?: R }, unknown> = ({ a, b, c, d, e, f }) => {
  const parts = [a, b, c, d, e, f].filter((part) => part !== undefined);
  const [batch, height, width] = four(a);
  const channels = parts.reduce((sum, part) => sum + four(part)[3], 0);
  return {
    y: fill([batch, height, width, channels], (n, y, x, channel) => {
      let rest = channel;
      for (const part of parts) {
        const own = four(part)[3];
        if (rest < own) return at(part, n, y, x, rest);
        rest -= own;
      }
      throw new RangeError(`no part holds channel ${channel}`);
    }),
  };
};

const cast: Reference<{ x: R }, { outputType: string }> = ({ x }, { outputType }) => ({
  y: map(x, outputType === 'bfloat16' ? roundToBfloat16 : Math.fround),
});

const maxPool2d: Reference<
  { x: R },
  { kernel: number; stride: number; padding: number; ceilMode: boolean }
> = ({ x }, { kernel, stride, padding, ceilMode }) => {
  const [batch, height, width, channels] = four(x);
  const window = { stride, padding, ceilMode };
  const shape = [
    batch,
    windowCount(height, kernel, window),
    windowCount(width, kernel, window),
    channels,
  ] as const;
  return {
    y: fill(shape, (n, row, column, c) => {
      let largest = -Infinity;
      for (let ky = 0; ky < kernel; ky++)
        for (let kx = 0; kx < kernel; kx++) {
          const sourceRow = row * stride - padding + ky;
          const sourceColumn = column * stride - padding + kx;
          if (sourceRow < 0 || sourceRow >= height || sourceColumn < 0 || sourceColumn >= width) continue;
          largest = Math.max(largest, at(x, n, sourceRow, sourceColumn, c));
        }
      return largest;
    }),
  };
};

const adaptiveAveragePool2d: Reference<{ x: R }, { height: number; width: number }> = (
  { x },
  { height, width },
) => {
  const [batch, fromHeight, fromWidth, channels] = four(x);
  const cell = (i: number, from: number, to: number) =>
    [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)] as const;
  return {
    y: fill([batch, height, width, channels], (n, row, column, c) => {
      const [top, bottom] = cell(row, fromHeight, height);
      const [left, right] = cell(column, fromWidth, width);
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let xx = left; xx < right; xx++) sum += at(x, n, y, xx, c);
      return sum / ((bottom - top) * (right - left));
    }),
  };
};

const resizeBilinear: Reference<
  { x: R; residual?: R },
  { height: number; width: number; alignCorners: boolean } & Epilogue
> = ({ x, residual }, attributes) => {
  const { height, width, alignCorners } = attributes;
  return { y: epilogue(resizeBilinearTo(x, height, width, alignCorners), residual, attributes) };
};

const spatialSoftmax: Reference<{ logits: R }, { scale: number }> = ({ logits }, { scale }) => {
  const [batch, height, width, classes] = four(logits);
  const regions = make(logits.shape);
  for (let n = 0; n < batch; n++)
    for (let k = 0; k < classes; k++) {
      const index = (pixel: number) => (n * height * width + pixel) * classes + k;
      const scores = Array.from(
        { length: height * width },
        (_, pixel) => scale * (logits.data[index(pixel)] as number),
      );
      for (const [pixel, share] of softmax(scores).entries()) regions.data[index(pixel)] = share;
    }
  return { regions };
};

const aggregateRegions: Reference<{ regions: R; features: R }, unknown> = ({ regions, features }) => {
  const [batch, height, width, classes] = four(regions);
  return {
    y: fill([batch, classes, 1, four(features)[3]], (n, k, _, c) => {
      let sum = 0;
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) sum += at(regions, n, y, x, k) * at(features, n, y, x, c);
      return sum;
    }),
  };
};

const attendRegions: Reference<{ query: R; key: R; value: R }, { scale: number } & Epilogue> = (
  { query, key, value },
  attributes,
) => {
  const [batch, height, width, depth] = four(query);
  const [, classes, , channels] = four(value);
  const y = make([batch, height, width, channels]);
  let i = 0;
  for (let n = 0; n < batch; n++)
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const scores = Array.from({ length: classes }, (_, k) => {
          let dot = 0;
          for (let d = 0; d < depth; d++) dot += at(query, n, row, column, d) * at(key, n, k, 0, d);
          return attributes.scale * dot;
        });
        const weights = softmax(scores);
        for (let c = 0; c < channels; c++)
          y.data[i++] = weights.reduce((sum, weight, k) => sum + weight * at(value, n, k, 0, c), 0);
      }
  return { y: epilogue(y, undefined, attributes) };
};

const resizeArgmax: Reference<{ logits: R }, { height: number; width: number; alignCorners: boolean }> = (
  { logits },
  { height, width, alignCorners },
) => {
  const resized = resizeBilinearTo(logits, height, width, alignCorners);
  const [batch, , , classes] = four(logits);
  const labels = make([batch, height, width]);
  const confidence = make([batch, height, width]);
  for (let pixel = 0; pixel < labels.data.length; pixel++) {
    const scores = [...resized.data.subarray(pixel * classes, (pixel + 1) * classes)];
    const best = scores.indexOf(Math.max(...scores));
    labels.data[pixel] = best;
    confidence.data[pixel] = softmax(scores)[best] as number;
  }
  return { labels, confidence };
};

const resizeTaps: Reference<
  { residual?: R } & Record<string, R>,
  { height: number; width: number; kernel: number; dilation: number; alignCorners: boolean } & Epilogue
> = ({ residual, ...maps }, attributes) => {
  const { height, width, kernel, dilation, alignCorners } = attributes;
  const [batch, , , tapChannels] = four(maps.a as R);
  const channels = tapChannels / kernel ** 2;
  const resized = Object.values(maps).map((map) => resizeBilinearTo(map as R, height, width, alignCorners));
  const y = fill([batch, height, width, channels], (n, row, column, c) => {
    let sum = 0;
    for (let ky = 0; ky < kernel; ky++)
      for (let kx = 0; kx < kernel; kx++) {
        const sourceRow = row + (ky - (kernel - 1) / 2) * dilation;
        const sourceColumn = column + (kx - (kernel - 1) / 2) * dilation;
        if (sourceRow < 0 || sourceRow >= height || sourceColumn < 0 || sourceColumn >= width) continue;
        for (const map of resized)
          sum += at(map, n, sourceRow, sourceColumn, (ky * kernel + kx) * channels + c);
      }
    return sum;
  });
  return { y: epilogue(y, residual, attributes) };
};

export type R = ReferenceTensor;
export type Epilogue = { activation: Activation; negativeSlope: number };
/** An operation with its inputs and attributes typed; `referenceOps` forgets them, as graphs do. */
export type Reference<I, A> = (inputs: I, attributes: A) => Record<string, ReferenceTensor>;
export const erase = <I, A>(reference: Reference<I, A>) => reference as unknown as ReferenceOp;

export const referenceOps = {
  normalizeImage: erase(normalizeImage),
  conv2d: erase(conv2d),
  batchNorm: erase(batchNorm),
  scaleShift: erase(scaleShift),
  activate: erase(activate),
  add: erase(add),
  concat: erase(concat),
  cast: erase(cast),
  maxPool2d: erase(maxPool2d),
  adaptiveAveragePool2d: erase(adaptiveAveragePool2d),
  resizeBilinear: erase(resizeBilinear),
  spatialSoftmax: erase(spatialSoftmax),
  aggregateRegions: erase(aggregateRegions),
  attendRegions: erase(attendRegions),
  resizeArgmax: erase(resizeArgmax),
  resizeTaps: erase(resizeTaps),
} satisfies Record<InferenceOperationName, ReferenceOp>;

import type { FloatType } from '../../lib/ir/tensor-type.js';
import type { InferenceOperationName } from '../../lib/ops/index.js';
import { windowCount } from '../../lib/ops/shapes.js';
import { referenceAttention } from './reference-attention.js';
import { referenceRegions } from './reference-regions.js';
import {
  at,
  type Epilogue,
  epilogue,
  erase,
  fill,
  four,
  make,
  map,
  type R,
  type Reference,
  type ReferenceOp,
  resizeBilinearTo,
  roundTo,
  softmax,
} from './reference-tensor.js';

/**
 * Every operation in plain loops over float64, NHWC: what the specs say, written to be read and compared against, not to be
 * fast. Nothing is rounded to an output's element type, but for `cast` and integer labels.
 */

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

export const conv2d: Reference<
  { x: R; filter: R; bias?: R; residual?: R },
  { stride: number; padding: number; dilation: number; groups: number } & Epilogue
> = ({ x, filter, bias, residual }, attributes) => {
  const { stride, padding, dilation, groups } = attributes;
  const [batch, height, width, channels] = four(x);
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
        const pixel = ((n * height + sourceRow) * width + sourceColumn) * channels + firstInput;
        const tap = ((o * kernelHeight + ky) * kernelWidth + kx) * inputs;
        for (let i = 0; i < inputs; i++)
          sum += (x.data[pixel + i] as number) * (filter.data[tap + i] as number);
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

const scaleBy: Reference<{ x: R; factor: R }, unknown> = ({ x, factor }) => ({
  y: map(x, (value) => value * (factor.data[0] as number)),
});

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

const cast: Reference<{ x: R }, { outputType: FloatType }> = ({ x }, { outputType }) => ({
  y: map(x, (value) => roundTo(outputType, value)),
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

export const referenceOps = {
  normalizeImage: erase(normalizeImage),
  conv2d: erase(conv2d),
  batchNorm: erase(batchNorm),
  scaleShift: erase(scaleShift),
  scaleBy: erase(scaleBy),
  activate: erase(activate),
  add: erase(add),
  concat: erase(concat),
  cast: erase(cast),
  maxPool2d: erase(maxPool2d),
  adaptiveAveragePool2d: erase(adaptiveAveragePool2d),
  resizeBilinear: erase(resizeBilinear),
  ...referenceRegions,
  ...referenceAttention,
  resizeArgmax: erase(resizeArgmax),
  resizeTaps: erase(resizeTaps),
} satisfies Record<InferenceOperationName, ReferenceOp>;

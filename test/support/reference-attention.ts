import { at, erase, four, make, type R, type Reference, softmax } from './reference-tensor.js';

/** Attention of pixels over pixels, in plain loops over float64: see reference-ops.ts. */

/** The pixels that one attends to, as row and column of the key's map. */
type Attended = (pixel: { row: number; column: number }, key: R) => [row: number, column: number][];

const everyPixel: Attended = (_pixel, key) => {
  const [, height, width] = four(key);
  return Array.from({ length: height * width }, (_, i) => [Math.floor(i / width), i % width]);
};

/** Those of its column and its row, itself once. */
const crissCross: Attended = ({ row, column }, key) => {
  const [, height, width] = four(key);
  const ownRow = Array.from({ length: width }, (_, x): [number, number] => [row, x]);
  return Array.from({ length: height }, (_, y): [number, number][] =>
    y === row ? ownRow : [[y, column]],
  ).flat();
};

/** Visits every pixel of the map, with its place among all pixels of the batch. */
function eachPixel(map: R, visit: (n: number, row: number, column: number, index: number) => void): void {
  const [batch, height, width] = four(map);
  let index = 0;
  for (let n = 0; n < batch; n++)
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) visit(n, row, column, index++);
}

const attention =
  (attendedBy: Attended): Reference<{ query: R; key: R; value: R }, { scale: number }> =>
  ({ query, key, value }, { scale }) => {
    const [batch, height, width, depth] = four(query);
    const channels = four(value)[3];
    const y = make([batch, height, width, channels]);
    const logSumExp = make([batch, height, width, 1]);
    eachPixel(query, (n, row, column, pixel) => {
      const attended = attendedBy({ row, column }, key);
      const scores = attended.map(([toRow, toColumn]) => {
        let dot = 0;
        for (let d = 0; d < depth; d++) dot += at(query, n, row, column, d) * at(key, n, toRow, toColumn, d);
        return scale * dot;
      });
      const largest = Math.max(...scores);
      const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0);
      logSumExp.data[pixel] = largest + Math.log(total);
      const weights = softmax(scores);
      for (const [i, [toRow, toColumn]] of attended.entries())
        for (let c = 0; c < channels; c++)
          (y.data[pixel * channels + c] as number) +=
            (weights[i] as number) * at(value, n, toRow, toColumn, c);
    });
    return { y, logSumExp };
  };

type Tensors = { query: R; key: R; value: R; y: R; logSumExp: R; dy: R };

const attentionGradient =
  (attendedBy: Attended): Reference<Tensors, { scale: number }> =>
  ({ query, key, value, y, logSumExp, dy }, { scale }) => {
    const depth = four(query)[3];
    const [, height, width, channels] = four(value);
    const gradients = { dQuery: make(query.shape), dKey: make(key.shape), dValue: make(value.shape) };
    const dot = (a: R, i: number, b: R, j: number, length: number) => {
      let sum = 0;
      for (let c = 0; c < length; c++)
        sum += (a.data[i * length + c] as number) * (b.data[j * length + c] as number);
      return sum;
    };
    const accumulate = (to: R, i: number, factor: number, from: R, j: number, length: number) => {
      for (let c = 0; c < length; c++)
        (to.data[i * length + c] as number) += factor * (from.data[j * length + c] as number);
    };
    eachPixel(query, (n, row, column, i) => {
      const mean = dot(dy, i, y, i, channels);
      for (const [toRow, toColumn] of attendedBy({ row, column }, key)) {
        const j = (n * height + toRow) * width + toColumn;
        const weight = Math.exp(scale * dot(query, i, key, j, depth) - (logSumExp.data[i] as number));
        const dScore = scale * weight * (dot(dy, i, value, j, channels) - mean);
        accumulate(gradients.dQuery, i, dScore, key, j, depth);
        accumulate(gradients.dKey, j, dScore, query, i, depth);
        accumulate(gradients.dValue, j, weight, dy, i, channels);
      }
    });
    return gradients;
  };

export const referenceAttention = {
  attendPixels: erase(attention(everyPixel)),
  attendCrissCross: erase(attention(crissCross)),
};

export const referenceAttentionGradients = {
  attendPixelsGradient: erase(attentionGradient(everyPixel)),
  attendCrissCrossGradient: erase(attentionGradient(crissCross)),
};

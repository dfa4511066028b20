import { at, erase, fill, four, make, map, type R, type Reference, softmax } from './reference-tensor.js';

/** What training does with regions, in plain loops over float64: see reference-ops.ts. */

const softmaxGradient: Reference<{ y: R; dy: R }, { scale: number }> = ({ y, dy }, { scale }) => {
  const channels = four(y)[3];
  const mean = (pixel: number) => {
    let sum = 0;
    for (let i = pixel * channels; i < (pixel + 1) * channels; i++)
      sum += (y.data[i] as number) * (dy.data[i] as number);
    return sum;
  };
  const means = Array.from({ length: y.data.length / channels }, (_, pixel) => mean(pixel));
  return {
    dx: map(
      y,
      (value, i) => scale * value * ((dy.data[i] as number) - (means[Math.floor(i / channels)] as number)),
    ),
  };
};

const spatialSoftmaxGradient: Reference<{ regions: R; dRegions: R }, { scale: number }> = (
  { regions, dRegions },
  { scale },
) => {
  const [batch, height, width, classes] = four(regions);
  const sums = fill([batch, 1, 1, classes], (n, _y, _x, k) => {
    let sum = 0;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) sum += at(regions, n, y, x, k) * at(dRegions, n, y, x, k);
    return sum;
  });
  return {
    dLogits: fill(
      four(regions),
      (n, y, x, k) => scale * at(regions, n, y, x, k) * (at(dRegions, n, y, x, k) - at(sums, n, 0, 0, k)),
    ),
  };
};

const attendRegionsGradient: Reference<{ query: R; key: R; value: R; dy: R }, { scale: number }> = (
  { query, key, value, dy },
  { scale },
) => {
  const [batch, height, width, depth] = four(query);
  const [, classes, , channels] = four(value);
  const dw = make([batch, height, width, classes]);
  const relation = make(dw.shape);
  for (let n = 0; n < batch; n++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const products = (a: R, b: R, length: number) =>
          Array.from({ length: classes }, (_, k) => {
            let sum = 0;
            for (let i = 0; i < length; i++) sum += at(a, n, y, x, i) * at(b, n, k, 0, i);
            return sum;
          });
        const weights = softmax(products(query, key, depth).map((product) => scale * product));
        const scores = products(dy, value, channels);
        const mean = weights.reduce((sum, weight, k) => sum + weight * (scores[k] as number), 0);
        const first = ((n * height + y) * width + x) * classes;
        for (const [k, weight] of weights.entries()) {
          relation.data[first + k] = weight;
          dw.data[first + k] = scale * weight * ((scores[k] as number) - mean);
        }
      }
  const overPixels = (weights: R, vectors: R) =>
    fill([batch, classes, 1, four(vectors)[3]], (n, k, _, c) => {
      let sum = 0;
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) sum += at(weights, n, y, x, k) * at(vectors, n, y, x, c);
      return sum;
    });
  return {
    dQuery: fill([batch, height, width, depth], (n, y, x, d) => {
      let sum = 0;
      for (let k = 0; k < classes; k++) sum += at(dw, n, y, x, k) * at(key, n, k, 0, d);
      return sum;
    }),
    dKey: overPixels(dw, query),
    dValue: overPixels(relation, dy),
  };
};

export const referenceRegionGradients = {
  softmaxGradient: erase(softmaxGradient),
  spatialSoftmaxGradient: erase(spatialSoftmaxGradient),
  attendRegionsGradient: erase(attendRegionsGradient),
};

import {
  at,
  type Epilogue,
  epilogue,
  erase,
  fill,
  four,
  make,
  type R,
  type Reference,
  softmax,
} from './reference-tensor.js';

/** Softmaxes, regions and attention in plain loops over float64: see reference-ops.ts. */

const softmaxOverChannels: Reference<{ x: R }, { scale: number }> = ({ x }, { scale }) => {
  const channels = four(x)[3];
  const y = make(x.shape);
  for (let first = 0; first < x.data.length; first += channels)
    y.data.set(softmax([...x.data.subarray(first, first + channels)].map((value) => scale * value)), first);
  return { y };
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

const labelRegions: Reference<
  { labels: R },
  { height: number; width: number; classes: number; normalised: boolean }
> = ({ labels }, { height, width, classes, normalised }) => {
  const [batch, labelHeight, labelWidth] = labels.shape as [number, number, number];
  const regions = make([batch, height, width, classes]);
  for (let n = 0; n < batch; n++) {
    const members: number[][] = Array.from({ length: classes }, () => []);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const row = Math.floor((y * labelHeight) / height);
        const column = Math.floor((x * labelWidth) / width);
        const label = labels.data[(n * labelHeight + row) * labelWidth + column] as number;
        members[label]?.push(((n * height + y) * width + x) * classes + label);
      }
    for (const indices of members)
      for (const i of indices) regions.data[i] = normalised ? 1 / indices.length : 1;
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

const gatherRegions: Reference<{ logits: R; features: R }, { scale: number }> = (
  { logits, features },
  attributes,
) => {
  const { regions } = spatialSoftmax({ logits }, attributes) as { regions: R };
  return aggregateRegions({ regions, features }, {});
};

const distributeRegions: Reference<{ regions: R; vectors: R }, unknown> = ({ regions, vectors }) => {
  const [batch, height, width, classes] = four(regions);
  return {
    y: fill([batch, height, width, four(vectors)[3]], (n, y, x, c) => {
      let sum = 0;
      for (let k = 0; k < classes; k++) sum += at(regions, n, y, x, k) * at(vectors, n, k, 0, c);
      return sum;
    }),
  };
};

const scoreRegions: Reference<{ features: R; vectors: R }, unknown> = ({ features, vectors }) => {
  const [batch, height, width, channels] = four(features);
  return {
    scores: fill([batch, height, width, four(vectors)[1]], (n, y, x, k) => {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += at(features, n, y, x, c) * at(vectors, n, k, 0, c);
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

export const referenceRegions = {
  softmax: erase(softmaxOverChannels),
  spatialSoftmax: erase(spatialSoftmax),
  labelRegions: erase(labelRegions),
  aggregateRegions: erase(aggregateRegions),
  gatherRegions: erase(gatherRegions),
  distributeRegions: erase(distributeRegions),
  scoreRegions: erase(scoreRegions),
  attendRegions: erase(attendRegions),
};

import {
  bilinearSource,
  four,
  make,
  type Reference,
  type ReferenceTensor,
  softmax,
} from './reference-tensor.js';

/** Losses and what is made from labels, in plain loops over float64: see reference-ops.ts. */

type R = ReferenceTensor;

/** A pixel of the labels: the four pixels of the logits that it mixes, by their first elements, with their weights. */
interface Mixed {
  readonly sources: readonly (readonly [first: number, weight: number])[];
  readonly label: number;
  readonly scores: number[];
  readonly logProbabilities: number[];
}

function mixedPixels(logits: R, labels: R, alignCorners: boolean): Mixed[] {
  const [batch, height, width, classes] = four(logits);
  const [, labelHeight, labelWidth] = labels.shape as [number, number, number];
  const pixels: Mixed[] = [];
  for (let n = 0; n < batch; n++)
    for (let y = 0; y < labelHeight; y++)
      for (let x = 0; x < labelWidth; x++) {
        const row = bilinearSource(y, height, labelHeight, alignCorners);
        const column = bilinearSource(x, width, labelWidth, alignCorners);
        const first = (sourceRow: number, sourceColumn: number) =>
          ((n * height + sourceRow) * width + sourceColumn) * classes;
        const sources = [
          [first(row.low, column.low), (1 - row.weight) * (1 - column.weight)],
          [first(row.low, column.high), (1 - row.weight) * column.weight],
          [first(row.high, column.low), row.weight * (1 - column.weight)],
          [first(row.high, column.high), row.weight * column.weight],
        ] as const;
        const scores = Array.from({ length: classes }, (_, k) =>
          sources.reduce((sum, [start, weight]) => sum + weight * (logits.data[start + k] as number), 0),
        );
        const most = Math.max(...scores);
        const logSum = Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0));
        pixels.push({
          sources,
          label: labels.data[pixels.length] as number,
          scores,
          logProbabilities: scores.map((score) => score - most - logSum),
        });
      }
  return pixels;
}

interface CrossEntropyAttributes {
  readonly weight: number;
  readonly ignoreLabel: number;
  readonly labelSmoothing: number;
  readonly hardThreshold: number;
  readonly hardMinimum: number;
  readonly alignCorners: boolean;
}

export const crossEntropy: Reference<
  { logits: R; labels: R; classWeights?: R; lossScale?: R },
  CrossEntropyAttributes
> = (
  { logits, labels, classWeights, lossScale },
  { weight, ignoreLabel, labelSmoothing, hardThreshold, hardMinimum, alignCorners },
) => {
  const classes = logits.shape[3] as number;
  const weightOf = (k: number) => (classWeights ? (classWeights.data[k] as number) : 1);
  const targetProbability = ({ logProbabilities, label }: Mixed) =>
    Math.exp(logProbabilities[label] as number);
  let pixels = mixedPixels(logits, labels, alignCorners).filter(({ label }) => label !== ignoreLabel);
  if (hardThreshold > 0) {
    const ascending = pixels.map(targetProbability).sort((a, b) => a - b);
    const kth = ascending[Math.min(hardMinimum, ascending.length) - 1] ?? 0;
    pixels = pixels.filter((pixel) => targetProbability(pixel) <= Math.max(hardThreshold, kth));
  }
  const scale = lossScale?.data[0] ?? 1;
  const divisor = pixels.reduce((sum, { label }) => sum + weightOf(label), 0);
  const dLogits = make(logits.shape);
  let loss = 0;
  for (const { sources, label, scores, logProbabilities } of divisor === 0 ? [] : pixels) {
    const target = scores.map(
      (_, k) =>
        weightOf(k) *
        (labelSmoothing / classes + (k === label ? 1 - labelSmoothing : 0)) *
        (weight / divisor),
    );
    const total = target.reduce((sum, value) => sum + value, 0);
    const probabilities = softmax(scores);
    for (let k = 0; k < classes; k++) {
      loss -= (target[k] as number) * (logProbabilities[k] as number);
      const gradient = total * (probabilities[k] as number) - (target[k] as number);
      for (const [first, share] of sources) (dLogits.data[first + k] as number) += scale * share * gradient;
    }
  }
  return { loss: { shape: [1], data: Float64Array.of(loss) }, dLogits };
};

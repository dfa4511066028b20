export interface Size {
  readonly height: number;
  readonly width: number;
}

/** Class scores of a picture, (height, width, classes). */
export interface ScoreMap extends Size {
  readonly data: Float32Array;
  readonly classes: number;
}

export const emptyScores = ({ height, width }: Size, classes: number): ScoreMap => ({
  data: new Float32Array(height * width * classes),
  height,
  width,
  classes,
});

/** The mean of a picture's scores and of those of its mirror image, which are turned back. In place of `scores`. */
export function averageWithMirrored(scores: ScoreMap, mirrored: ScoreMap): ScoreMap {
  const { data, height, width, classes } = scores;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * classes;
      const from = (y * width + width - 1 - x) * classes;
      for (let k = 0; k < classes; k++)
        data[to + k] = ((data[to + k] as number) + (mirrored.data[from + k] as number)) / 2;
    }
  return scores;
}

/** e to the power of each score, in place. */
export function exponentiate(scores: ScoreMap): ScoreMap {
  const { data } = scores;
  for (let i = 0; i < data.length; i++) data[i] = Math.exp(data[i] as number);
  return scores;
}

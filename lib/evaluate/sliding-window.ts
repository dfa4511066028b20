import { invalidArgument } from '../errors.js';
import { emptyScores, type ScoreMap, type Size } from './score-map.js';

export interface Window extends Size {
  readonly top: number;
  readonly left: number;
}

/**
 * Where windows of a size lie so that they cover a picture: each a stride after the one before, the last moved back to the
 * picture's edge, so that all see equally much and none needs padding. A picture smaller than the window is one window in
 * that direction, as large as the picture.
 */
export function slidingWindows(picture: Size, window: Size, stride: Size): Window[] {
  for (const name of ['height', 'width'] as const)
    if (stride[name] > window[name])
      throw invalidArgument(`stride ${name}`, `at most the window's, ${window[name]}`, stride[name]);
  const height = Math.min(window.height, picture.height);
  const width = Math.min(window.width, picture.width);
  return positions(picture.height, height, stride.height).flatMap((top) =>
    positions(picture.width, width, stride.width).map((left) => ({ top, left, height, width })),
  );
}

function positions(size: number, window: number, stride: number): number[] {
  const count = Math.ceil((size - window) / stride) + 1;
  return Array.from({ length: count }, (_, i) => Math.min(i * stride, size - window));
}

/** Two thirds of the window, rounded up: every pixel but those near the edges is seen away from a window's border. */
export const defaultStride = ({ height, width }: Size): Size => ({
  height: Math.ceil((2 * height) / 3),
  width: Math.ceil((2 * width) / 3),
});

/** Puts the scores of windows together; where they overlap the result is their mean. */
export class WindowAverage {
  readonly #sum: ScoreMap;
  readonly #counts: Uint16Array;

  constructor(picture: Size, classes: number) {
    this.#sum = emptyScores(picture, classes);
    this.#counts = new Uint16Array(picture.height * picture.width);
  }

  /** @param scores - of the window's size */
  add({ top, left, height, width }: Window, { data }: ScoreMap): void {
    const { data: sum, width: pictureWidth, classes } = this.#sum;
    for (let y = 0; y < height; y++) {
      const pixel = (top + y) * pictureWidth + left;
      for (let x = 0; x < width; x++) this.#counts[pixel + x] = (this.#counts[pixel + x] as number) + 1;
      const [to, from] = [pixel * classes, y * width * classes];
      for (let i = 0; i < width * classes; i++)
        sum[to + i] = (sum[to + i] as number) + (data[from + i] as number);
    }
  }

  /** The mean; the windows must have covered the picture. */
  scores(): ScoreMap {
    const { data, classes } = this.#sum;
    for (let pixel = 0; pixel < this.#counts.length; pixel++) {
      const count = this.#counts[pixel] as number;
      if (count === 1) continue;
      for (let i = pixel * classes; i < (pixel + 1) * classes; i++) data[i] = (data[i] as number) / count;
    }
    return this.#sum;
  }
}

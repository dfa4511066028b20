import { bilinearSource, erase, fill, four, make, type R, type Reference } from './reference-tensor.js';

/** The gradients of resizes and poolings in plain loops over float64: see reference-ops.ts. */

/** Adds to element (n, y, x, c). */
function addTo(tensor: R, n: number, y: number, x: number, c: number, value: number): void {
  const [, height, width, channels] = four(tensor);
  const index = ((n * height + y) * width + x) * channels + c;
  tensor.data[index] = (tensor.data[index] as number) + value;
}

/** dx (N, height, width, C), to which `scatter` adds what each element of dy gives. */
function scattered(
  dy: R,
  height: number,
  width: number,
  scatter: (dx: R, n: number, y: number, x: number, c: number, value: number) => void,
): R {
  const [batch, , , channels] = four(dy);
  const dx = make([batch, height, width, channels]);
  let i = 0;
  fill(four(dy), (n, y, x, c) => {
    scatter(dx, n, y, x, c, dy.data[i++] as number);
    return 0;
  });
  return dx;
}

const resizeBilinearGradient: Reference<
  { dy: R },
  { height: number; width: number; alignCorners: boolean }
> = ({ dy }, { height, width, alignCorners }) => {
  const [, toHeight, toWidth] = four(dy);
  return {
    dx: scattered(dy, height, width, (dx, n, y, x, c, value) => {
      const v = bilinearSource(y, height, toHeight, alignCorners);
      const h = bilinearSource(x, width, toWidth, alignCorners);
      addTo(dx, n, v.low, h.low, c, (1 - v.weight) * (1 - h.weight) * value);
      addTo(dx, n, v.low, h.high, c, (1 - v.weight) * h.weight * value);
      addTo(dx, n, v.high, h.low, c, v.weight * (1 - h.weight) * value);
      addTo(dx, n, v.high, h.high, c, v.weight * h.weight * value);
    }),
  };
};

const maxPool2dGradient: Reference<
  { x: R; dy: R },
  { kernel: number; stride: number; padding: number; ceilMode: boolean }
> = ({ x, dy }, { kernel, stride, padding }) => {
  const [, height, width, channels] = four(x);
  return {
    dx: scattered(dy, height, width, (dx, n, row, column, c, value) => {
      let largest = -Infinity;
      let place: readonly [number, number] | undefined;
      for (let ky = 0; ky < kernel; ky++)
        for (let kx = 0; kx < kernel; kx++) {
          const [y, xx] = [row * stride - padding + ky, column * stride - padding + kx];
          if (y < 0 || y >= height || xx < 0 || xx >= width) continue;
          const here = x.data[((n * height + y) * width + xx) * channels + c] as number;
          if (place && !(here > largest) && !Number.isNaN(here)) continue;
          largest = here;
          place = [y, xx];
        }
      if (place) addTo(dx, n, ...place, c, value);
    }),
  };
};

const adaptiveAveragePool2dGradient: Reference<{ dy: R }, { height: number; width: number }> = (
  { dy },
  { height, width },
) => {
  const [, toHeight, toWidth] = four(dy);
  const cell = (i: number, from: number, to: number) =>
    [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)] as const;
  return {
    dx: scattered(dy, height, width, (dx, n, row, column, c, value) => {
      const [top, bottom] = cell(row, height, toHeight);
      const [left, right] = cell(column, width, toWidth);
      const share = value / ((bottom - top) * (right - left));
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) addTo(dx, n, y, x, c, share);
    }),
  };
};

export const referenceWindowGradients = {
  resizeBilinearGradient: erase(resizeBilinearGradient),
  maxPool2dGradient: erase(maxPool2dGradient),
  adaptiveAveragePool2dGradient: erase(adaptiveAveragePool2dGradient),
};

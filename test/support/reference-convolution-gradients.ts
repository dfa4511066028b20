import { elementCount, type Shape } from '../../lib/ir/tensor-type.js';
import type { ReferenceTensor } from './reference-tensor.js';

/** The gradients of convolutions in plain loops over float64: see reference-ops.ts. */

type R = ReferenceTensor;

interface Window {
  stride: number;
  padding: number;
  dilation: number;
  groups: number;
}

type Visit = (x: number, filter: number, y: number) => void;

/** visit(index in x, in the filter, in y) for each product of y = x ∗ filter. */
function eachProduct(xShape: Shape, filterShape: Shape, yShape: Shape, window: Window, visit: Visit): void {
  const { stride, padding, dilation, groups } = window;
  const [batch = 0, height = 0, width = 0, channels = 0] = xShape;
  const [outputs = 0, kernelHeight = 0, kernelWidth = 0, inputs = 0] = filterShape;
  const [, rows = 0, columns = 0] = yShape;
  for (let n = 0; n < batch; n++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        for (let ky = 0; ky < kernelHeight; ky++)
          for (let kx = 0; kx < kernelWidth; kx++) {
            const i = row * stride - padding + ky * dilation;
            const j = column * stride - padding + kx * dilation;
            if (i < 0 || i >= height || j < 0 || j >= width) continue;
            for (let o = 0; o < outputs; o++)
              for (let k = 0; k < inputs; k++)
                visit(
                  ((n * height + i) * width + j) * channels + Math.floor(o / (outputs / groups)) * inputs + k,
                  ((o * kernelHeight + ky) * kernelWidth + kx) * inputs + k,
                  ((n * rows + row) * columns + column) * outputs + o,
                );
          }
}

export function conv2dInputGradient(
  { dy, filter, residual }: { dy: R; filter: R; residual?: R },
  { height, width, ...window }: Window & { height: number; width: number },
): { dx: R } {
  const shape = [dy.shape[0] ?? 0, height, width, (filter.shape[3] ?? 0) * window.groups];
  const data = residual ? residual.data.slice() : new Float64Array(elementCount(shape));
  eachProduct(shape, filter.shape, dy.shape, window, (x, w, y) => {
    data[x] = (data[x] as number) + (dy.data[y] as number) * (filter.data[w] as number);
  });
  return { dx: { shape, data } };
}

export function conv2dFilterGradient(
  { x, dy }: { x: R; dy: R },
  { kernelHeight, kernelWidth, ...window }: Window & { kernelHeight: number; kernelWidth: number },
): { dFilter: R } {
  const shape = [dy.shape[3] ?? 0, kernelHeight, kernelWidth, (x.shape[3] ?? 0) / window.groups];
  const data = new Float64Array(elementCount(shape));
  eachProduct(x.shape, shape, dy.shape, window, (i, w, y) => {
    data[w] = (data[w] as number) + (x.data[i] as number) * (dy.data[y] as number);
  });
  return { dFilter: { shape, data } };
}

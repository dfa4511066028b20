import type { Graph } from '../../ir/graph.js';
import { rewrite } from '../../ir/rewrite.js';
import { asConvolution } from './convolution.js';
import { filterOfMiddle } from './filter-parts.js';

/**
 * Taps that lie in the padding whatever the pixel are cut off: a 3×3 filter whose dilation reaches beyond the map is a 1×1 one.
 * What is left is as wide as the longer side of the map needs.
 */
export function cutTaps(graph: Graph): Graph {
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.value, parameter]));
  return rewrite(graph, (node, pen) => {
    const convolution = asConvolution(node, parameters);
    const size = convolution && tapsInside(convolution);
    if (!convolution?.isCentred || size === convolution.kernel) {
      pen.emitFor(node);
      return;
    }
    const filter = filterOfMiddle(pen, convolution.filter, size as number);
    const dilation = size === 1 ? 1 : convolution.dilation;
    pen.emitFor(node, {
      inputs: { ...pen.mapAll(node.inputs), [convolution.names.filter]: filter.value },
      attributes: { ...node.attributes, dilation, padding: (dilation * ((size as number) - 1)) / 2 },
    });
  });
}

/** Taps of a row or column, an odd number, outside which all are in the padding. */
function tapsInside({
  x,
  kernel,
  dilation,
}: {
  x: { type: { shape: readonly number[] } };
  kernel: number;
  dilation: number;
}): number {
  const [, height = 0, width = 0] = x.type.shape;
  const reach = Math.floor((Math.max(height, width) - 1) / dilation);
  return Math.min(kernel, 2 * reach + 1);
}

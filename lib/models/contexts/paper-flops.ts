import { flopsOf, type Node, type Value } from '../../ir/graph.js';
import { type AnyOpSpec, erase } from '../../ir/op.js';
import { pixelCount } from '../../ir/tensor-type.js';
import {
  aggregateRegions,
  attendCrissCross,
  attendPixels,
  attendRegions,
  conv2d,
  distributeRegions,
  scoreRegions,
} from '../../ops/index.js';
import { buildContextModule, type ContextConfig, type ModuleSize } from './index.js';

/** What the paper counts: convolutions and matrix products. */
const products: ReadonlySet<AnyOpSpec> = new Set(
  [
    conv2d,
    aggregateRegions,
    distributeRegions,
    scoreRegions,
    attendRegions,
    attendPixels,
    attendCrissCross,
  ].map(erase),
);

/**
 * Floating-point operations of a module as the paper's Table 4 counts them: twice the multiply-adds of the convolutions and
 * matrix products, as they are written down. Normalisation, activations, softmaxes, pooling and resizing count nothing, nor does
 * a device save anything by what it merges, moves or leaves out.
 *
 * Its number for OCR, 340 GFLOP, holds where δ, which acts on the K region vectors alone, is counted over all pixels, as ρ is:
 * with δ on the vectors it is 335.6. The others follow from their layers.
 */
export function paperFlops(size: ModuleSize, config: ContextConfig): number {
  const pixels = size.batch * size.height * size.width;
  return buildContextModule(size, config).nodes.reduce((sum, node) => {
    if (!products.has(node.spec)) return sum;
    const share = isDelta(node) ? pixels / pixelCount((node.outputs.y as Value).type) : 1;
    return sum + share * flopsOf(node);
  }, 0);
}

/** The last part of the path is the number in openseg's Sequential. */
const isDelta = ({ path, spec }: Node): boolean => spec === erase(conv2d) && /\.f_down\.\d+$/.test(path);

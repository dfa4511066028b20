import { type AnyOpSpec, erase } from '../ir/op.js';
import { activate } from './activate.js';
import { adaptiveAveragePool2d } from './adaptive-average-pool2d.js';
import { add } from './add.js';
import { aggregateRegions } from './aggregate-regions.js';
import { attendRegions } from './attend-regions.js';
import { batchNorm } from './batch-norm.js';
import { cast } from './cast.js';
import { concat } from './concat.js';
import { conv2d } from './conv2d.js';
import { maxPool2d } from './max-pool2d.js';
import { normalizeImage } from './normalize-image.js';
import { resizeArgmax } from './resize-argmax.js';
import { resizeBilinear } from './resize-bilinear.js';
import { scaleShift } from './scale-shift.js';
import { spatialSoftmax } from './spatial-softmax.js';

/** Every operation. The position is its code in an encoded plan; `npm run generate` writes the C++ side of this list. */
export const operations: readonly AnyOpSpec[] = [
  normalizeImage,
  conv2d,
  batchNorm,
  scaleShift,
  activate,
  add,
  concat,
  cast,
  maxPool2d,
  adaptiveAveragePool2d,
  resizeBilinear,
  spatialSoftmax,
  aggregateRegions,
  attendRegions,
  resizeArgmax,
].map(erase);

export type OperationName =
  | (typeof activate)['name']
  | (typeof adaptiveAveragePool2d)['name']
  | (typeof add)['name']
  | (typeof aggregateRegions)['name']
  | (typeof attendRegions)['name']
  | (typeof batchNorm)['name']
  | (typeof cast)['name']
  | (typeof concat)['name']
  | (typeof conv2d)['name']
  | (typeof maxPool2d)['name']
  | (typeof normalizeImage)['name']
  | (typeof resizeArgmax)['name']
  | (typeof resizeBilinear)['name']
  | (typeof scaleShift)['name']
  | (typeof spatialSoftmax)['name'];

const byName = new Map(operations.map((spec, opcode) => [spec.name, { spec, opcode }]));

/** Position of an operation in `operations`. */
export function opcodeOf(spec: AnyOpSpec): number {
  const known = byName.get(spec.name);
  if (known === undefined) throw new Error(`${spec.name} is not listed in ops/index.ts`);
  return known.opcode;
}

export {
  activate,
  adaptiveAveragePool2d,
  add,
  aggregateRegions,
  attendRegions,
  batchNorm,
  cast,
  concat,
  conv2d,
  maxPool2d,
  normalizeImage,
  resizeArgmax,
  resizeBilinear,
  scaleShift,
  spatialSoftmax,
};

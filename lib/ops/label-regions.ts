import { bool, int } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType } from '../ir/tensor-type.js';
import { requirePositive } from './shapes.js';

/**
 * Ground-truth object regions: regions_ki = 1 where labels_i = k, else 0, → (N, height, width, classes) in float32. Pixel
 * (y, x) reads labels (N, H, W) at row ⌊y · H / height⌋ and column ⌊x · W / width⌋, as PyTorch's nearest mode, with which the
 * authors resize them. Labels of `classes` or more belong to no region. With `normalised` each region that has pixels sums to
 * one. Paper, section 3.3, "ground-truth OCR".
 */
export const labelRegions = defineOp({
  name: 'labelRegions',
  summary: 'object regions from labels',
  inputs: ['labels'],
  optionalInputs: [],
  outputs: ['regions'],
  attributes: { height: int, width: int, classes: int, normalised: bool },
  facts: {},
  infer({ labels }, { height, width, classes }) {
    requirePositive({ height, width, classes });
    requireShape(
      (labels.dataType === 'uint8' || labels.dataType === 'uint16') && labels.shape.length === 3,
      () => `needs labels (N, H, W) in uint8 or uint16, got ${formatType(labels)}`,
    );
    return {
      regions: { dataType: 'float32', shape: [labels.shape[0] as number, height, width, classes] },
    };
  },
  flops: (_inputs, { regions }) => elementCount(regions.shape),
  gradient: notDifferentiable, // labels are whole numbers
});

import { int, oneOf } from '../ir/attributes.js';
import { defineOp, requireShape } from '../ir/op.js';
import { elementCount, formatType } from '../ir/tensor-type.js';
import { epilogueAttributes } from './epilogue.js';
import {
  nhwc,
  requireFloat,
  requirePositive,
  requireSameType,
  requireVector,
  windowCount,
} from './shapes.js';

/**
 * 2-D convolution (cross-correlation) of x (N, H, W, C) with filter (O, kh, kw, C / groups) into (N, H', W', O), with
 * symmetric zero padding. Depthwise where groups = C.
 */
export const conv2d = defineOp({
  name: 'conv2d',
  summary: 'convolution with bias, residual and activation',
  inputs: ['x', 'filter'],
  optionalInputs: ['bias', 'residual'],
  outputs: ['y'],
  attributes: {
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    ...epilogueAttributes,
    /** `same` as x, or float32 for class scores computed from bfloat16 features. */
    outputType: oneOf('OutputType', ['same', 'float32']),
  },
  facts: {
    epilogue: { residual: true, activation: true },
    exactInputs: ['filter', 'bias'],
    absorbsAffine: { filter: 'filter', bias: 'bias' },
    mapsPixels: ({ filter }, { stride, padding, groups }) =>
      filter?.shape[1] === 1 && filter.shape[2] === 1 && stride === 1 && padding === 0 && groups === 1,
    inPlaceOf: 'residual',
    readsSlices: ['x', 'residual'],
    writesSlices: true,
  },
  infer({ x, filter, bias, residual }, { stride, padding, dilation, groups, outputType }) {
    const [batch, height, width, channels] = nhwc(x, 'x');
    requireFloat(x, 'x');
    requirePositive({ stride, dilation, groups });
    requireShape(padding >= 0, () => `needs padding >= 0, got ${padding}`);
    requireShape(
      filter.dataType === 'float32' && filter.shape.length === 4,
      () => `needs filter as float32 (O, kh, kw, C / groups), got ${formatType(filter)}`,
    );
    const [outputs, kernelHeight, kernelWidth, inputs] = filter.shape as [number, number, number, number];
    requireShape(
      inputs * groups === channels && outputs % groups === 0,
      () => `filter ${formatType(filter)} with ${groups} groups does not fit x ${formatType(x)}`,
    );
    const window = { stride, padding, dilation };
    const shape = [
      batch,
      windowCount(height, kernelHeight, window),
      windowCount(width, kernelWidth, window),
      outputs,
    ];
    const y = { dataType: outputType === 'same' ? x.dataType : outputType, shape };
    requireVector(bias, 'bias', outputs);
    requireSameType(y, residual, 'y and residual');
    return { y };
  },
  flops: ({ filter }, { y }) => 2 * elementCount(y.shape) * elementCount(filter.shape.slice(1)),
});

import { int, oneOf } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType } from '../ir/tensor-type.js';
import { beforeActivation } from './activate.js';
import { castLike } from './cast.js';
import { channelSums } from './channel-sums.js';
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
    /** `same` as x, or float32 for class scores computed from features of 16 bits. */
    outputType: oneOf('OutputType', ['same', 'float32']),
  },
  facts: {
    epilogue: { residual: true, activation: true },
    exactInputs: ['filter', 'bias'],
    absorbsAffine: { filter: 'filter', bias: 'bias' },
    convolves: { filter: 'filter', bias: 'bias' },
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
  gradient: ({ inputs: { x, filter }, outputs, attributes, outputGradients: { y: dy }, wants, add }) => {
    if (!dy) return {};
    const { stride, padding, dilation, groups } = attributes;
    const window = { stride, padding, dilation, groups };
    const sums = beforeActivation(add, dy, outputs.y, attributes);
    // Of class scores in float32 that were computed from features of 16 bits.
    const terms = wants('filter') || wants('x') ? castLike(add, sums, x) : sums;
    const [, height = 0, width = 0] = x.type.shape;
    const [, kernelHeight = 0, kernelWidth = 0] = filter.type.shape;
    return {
      filter: wants('filter')
        ? add(conv2dFilterGradient, { x, dy: terms }, { ...window, kernelHeight, kernelWidth }).dFilter
        : undefined,
      bias: wants('bias') ? add(channelSums, { x: sums }, {}).y : undefined,
      x: wants('x')
        ? add(conv2dInputGradient, { dy: terms, filter }, { ...window, height, width }).dx
        : undefined,
      residual: sums,
    };
  },
});

const windowAttributes = { stride: int, padding: int, dilation: int, groups: int } as const;

/**
 * dx (N, height, width, C) = the transposed convolution of dy (N, H', W', O) with filter (O, kh, kw, C / groups), plus the
 * residual: other gradients of the same tensor.
 */
export const conv2dInputGradient = defineOp({
  name: 'conv2dInputGradient',
  summary: "gradient of a convolution's input",
  inputs: ['dy', 'filter'],
  optionalInputs: ['residual'],
  outputs: ['dx'],
  attributes: { ...windowAttributes, height: int, width: int },
  facts: {
    epilogue: { residual: true },
    exactInputs: ['filter'],
    inPlaceOf: 'residual',
    readsSlices: ['dy', 'residual'],
    writesSlices: true,
  },
  infer({ dy, filter, residual }, { height, width, ...window }) {
    const { groups } = window;
    requirePositive({ height, width, groups });
    const [batch, , , outputs] = nhwc(dy, 'dy');
    const dx = { ...dy, shape: [batch, height, width, (filter.shape[3] ?? 0) * groups] };
    const attributes = { ...window, activation: 'none', negativeSlope: 0, outputType: 'same' } as const;
    const { y } = conv2d.infer({ x: dx, filter }, attributes);
    requireSameType(y, dy, `y of a ${outputs}-channel convolution and dy`);
    requireSameType(dx, residual, 'dx and residual');
    return { dx };
  },
  flops: ({ dy, filter }) => 2 * elementCount(dy.shape) * elementCount(filter.shape.slice(1)),
  gradient: notDifferentiable, // first derivatives alone
});

/** dFilter (O, kernelHeight, kernelWidth, C / groups), in float32, from x (N, H, W, C) and dy (N, H', W', O). */
export const conv2dFilterGradient = defineOp({
  name: 'conv2dFilterGradient',
  summary: "gradient of a convolution's filter",
  inputs: ['x', 'dy'],
  optionalInputs: [],
  outputs: ['dFilter'],
  attributes: { ...windowAttributes, kernelHeight: int, kernelWidth: int },
  facts: { readsSlices: ['x', 'dy'] },
  infer({ x, dy }, { kernelHeight, kernelWidth, ...window }) {
    const { groups } = window;
    requirePositive({ kernelHeight, kernelWidth, groups });
    const channels = nhwc(x, 'x')[3];
    const outputs = nhwc(dy, 'dy')[3];
    requireShape(channels % groups === 0, () => `${groups} groups do not divide ${formatType(x)}`);
    const shape = [outputs, kernelHeight, kernelWidth, channels / groups];
    const dFilter = { dataType: 'float32', shape } as const;
    const attributes = { ...window, activation: 'none', negativeSlope: 0, outputType: 'same' } as const;
    const { y } = conv2d.infer({ x, filter: dFilter }, attributes);
    requireSameType(y, dy, 'y and dy');
    return { dFilter };
  },
  flops: ({ dy }, { dFilter }) => 2 * elementCount(dy.shape) * elementCount(dFilter.shape.slice(1)),
  gradient: notDifferentiable, // first derivatives alone
});

import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType, sameShape, type TensorType } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

/**
 * Criss-cross attention (Huang et al., CCNet, ICCV 2019): each pixel attends to the H + W − 1 pixels of its own column and
 * row, among them itself once. w_ij = softmax over those j of scale · query_i · key_j, y_i = Σ_j w_ij · value_j. query and key
 * (N, H, W, D), value (N, H, W, C) → y (N, H, W, C) and logSumExp_i = ln Σ_j exp(scale · query_i · key_j) (N, H, W, 1) in
 * float32, from which the gradient computes the weights anew. No concatenation is made of the two directions, and their
 * weights exist for a few rows and columns at a time.
 */
export const attendCrissCross = defineOp({
  name: 'attendCrissCross',
  summary: 'attention of pixels over their row and column',
  inputs: ['query', 'key', 'value'],
  optionalInputs: [],
  outputs: ['y', 'logSumExp'],
  attributes: { scale: float },
  facts: { readsSlices: ['query', 'key', 'value'], writesSlices: true },
  infer({ query, key, value }) {
    const [batch, height, width] = nhwc(query, 'query');
    const channels = nhwc(value, 'value')[3];
    requireFloat(query, 'query');
    requireSameType(query, key, 'query and key');
    requireShape(
      value.dataType === query.dataType && sameShape(value.shape.slice(0, 3), [batch, height, width]),
      () => `needs a value of the query's size, got ${formatType(value)} and ${formatType(query)}`,
    );
    return {
      y: { dataType: value.dataType, shape: [batch, height, width, channels] },
      logSumExp: { dataType: 'float32', shape: [batch, height, width, 1] },
    };
  },
  flops: ({ query, value }) =>
    2 * attendedPixels(query) * (elementCount(query.shape) + elementCount(value.shape)),
  gradient: ({ inputs, outputs, attributes, outputGradients: { y: dy }, add }) => {
    if (!dy) return {};
    const { dQuery, dKey, dValue } = add(attendCrissCrossGradient, { ...inputs, ...outputs, dy }, attributes);
    return { query: dQuery, key: dKey, value: dValue };
  },
});

/**
 * The gradients of {@link attendCrissCross}. The weights w_ij = exp(scale · query_i · key_j − logSumExp_i) are computed anew,
 * a few rows and columns at a time; with dw_ij = scale · w_ij (dy_i · value_j − dy_i · y_i), dQuery_i = Σ_j dw_ij · key_j,
 * dKey_j = Σ_i dw_ij · query_i, dValue_j = Σ_i w_ij · dy_i.
 */
export const attendCrissCrossGradient = defineOp({
  name: 'attendCrissCrossGradient',
  summary: 'gradients of the attention over row and column',
  inputs: ['query', 'key', 'value', 'y', 'logSumExp', 'dy'],
  optionalInputs: [],
  outputs: ['dQuery', 'dKey', 'dValue'],
  attributes: { scale: float },
  facts: {
    exactInputs: ['logSumExp'],
    readsSlices: ['query', 'key', 'value', 'y', 'logSumExp', 'dy'],
    writesSlices: true,
  },
  infer({ query, key, value, y, logSumExp, dy }, attributes) {
    const expected = attendCrissCross.infer({ query, key, value }, attributes);
    requireSameType(expected.y, y, 'value and y');
    requireSameType(expected.y, dy, 'y and dy');
    requireSameType(expected.logSumExp, logSumExp, 'logSumExp and that of the attention');
    return { dQuery: query, dKey: key, dValue: value };
  },
  flops: ({ query, value }) =>
    2 * attendedPixels(query) * (3 * elementCount(query.shape) + 2 * elementCount(value.shape)),
  gradient: notDifferentiable, // first derivatives alone
});

const attendedPixels = ({ shape }: TensorType): number => (shape[1] as number) + (shape[2] as number) - 1;

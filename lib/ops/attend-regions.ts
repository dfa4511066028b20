import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType, sameShape } from '../ir/tensor-type.js';
import { beforeActivation } from './activate.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

/**
 * Pixel-region relation and object-contextual representation: w_ik = softmax over k of scale · query_i · key_k, y_i =
 * activation(Σ_k w_ik · value_k). query (N, H, W, D), key (N, K, 1, D), value (N, K, 1, C) → (N, H, W, C). Paper, equations
 * 4 and 5. Only a block of the (pixels × K) relation exists at a time.
 */
export const attendRegions = defineOp({
  name: 'attendRegions',
  summary: 'attention of pixels over regions',
  inputs: ['query', 'key', 'value'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { scale: float, ...epilogueAttributes },
  facts: { epilogue: { activation: true }, mixesRowsOf: 'value', readsSlices: ['query'], writesSlices: true },
  infer({ query, key, value }) {
    const [batch, height, width, depth] = nhwc(query, 'query');
    const [, classes, , channels] = nhwc(value, 'value');
    for (const [name, type] of Object.entries({ query, key, value })) requireFloat(type, name);
    requireShape(
      sameShape(key.shape, [batch, classes, 1, depth]) &&
        sameShape(value.shape, [batch, classes, 1, channels]) &&
        key.dataType === query.dataType &&
        value.dataType === query.dataType,
      () =>
        `needs key (N, K, 1, D) and value (N, K, 1, C) for query (N, H, W, D), got ${[key, value, query].map(formatType).join(', ')}`,
    );
    return { y: { dataType: query.dataType, shape: [batch, height, width, channels] } };
  },
  flops: ({ query, key, value }) => {
    const pixels = elementCount(query.shape.slice(1, 3));
    return 2 * pixels * (elementCount(key.shape) + elementCount(value.shape));
  },
  gradient: ({ inputs, outputs, attributes, outputGradients: { y: dy }, add }) => {
    if (!dy) return {};
    const sums = beforeActivation(add, dy, outputs.y, attributes);
    const { scale } = attributes;
    const { dQuery, dKey, dValue } = add(attendRegionsGradient, { ...inputs, dy: sums }, { scale });
    return { query: dQuery, key: dKey, value: dValue };
  },
});

/**
 * The gradients of {@link attendRegions} before its activation. The relation w is computed anew, a block of pixels at a time:
 * with s_ik = dy_i · value_k, dw_ik = scale · w_ik (s_ik − Σ_j w_ij s_ij); dQuery = dw · key, dKey = dwᵀ · query, dValue =
 * wᵀ · dy.
 */
export const attendRegionsGradient = defineOp({
  name: 'attendRegionsGradient',
  summary: 'gradients of the attention over regions',
  inputs: ['query', 'key', 'value', 'dy'],
  optionalInputs: [],
  outputs: ['dQuery', 'dKey', 'dValue'],
  attributes: { scale: float },
  facts: { readsSlices: ['query', 'dy'] },
  infer({ query, key, value, dy }, { scale }) {
    const { y } = attendRegions.infer({ query, key, value }, { scale, activation: 'none', negativeSlope: 0 });
    requireSameType(y, dy, 'y and dy');
    return { dQuery: query, dKey: key, dValue: value };
  },
  flops: ({ query, key, value }) => {
    const pixels = elementCount(query.shape.slice(1, 3));
    return 2 * pixels * (3 * elementCount(key.shape) + 2 * elementCount(value.shape));
  },
  gradient: notDifferentiable, // first derivatives alone
});

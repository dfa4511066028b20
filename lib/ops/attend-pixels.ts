import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { formatType, pixelCount, sameShape, type TensorType } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

/**
 * Self-attention: w_ij = softmax over j of scale · query_i · key_j, y_i = Σ_j w_ij · value_j, with i over the pixels of the
 * query's map and j over all pixels of the key's. query (N, H, W, D), key (N, H′, W′, D), value (N, H′, W′, C) → y (N, H, W,
 * C). logSumExp_i = ln Σ_j exp(scale · query_i · key_j), (N, H, W, 1) in float32, is what the gradient needs to have w again.
 *
 * The map w, of 268 million entries for 128×128 pixels, never exists: keys come in blocks, and with each block the maximum,
 * sum and weighted values so far are brought up to date (online softmax: Milakov and Gimelshein 2018; Rabe and Staats 2021;
 * Dao et al., "FlashAttention", 2022). The paper's "Self-Attention" and the position attention of DANet.
 */
export const attendPixels = defineOp({
  name: 'attendPixels',
  summary: 'attention of pixels over pixels',
  inputs: ['query', 'key', 'value'],
  optionalInputs: [],
  outputs: ['y', 'logSumExp'],
  attributes: { scale: float },
  facts: { readsSlices: ['query', 'key', 'value'], writesSlices: true },
  infer({ query, key, value }) {
    const [batch, height, width, depth] = nhwc(query, 'query');
    const [, keyHeight, keyWidth] = nhwc(key, 'key');
    const channels = nhwc(value, 'value')[3];
    for (const [name, type] of Object.entries({ query, key, value })) requireFloat(type, name);
    requireShape(
      sameShape(key.shape, [batch, keyHeight, keyWidth, depth]) &&
        sameShape(value.shape, [batch, keyHeight, keyWidth, channels]) &&
        key.dataType === query.dataType &&
        value.dataType === query.dataType,
      () =>
        `needs key (N, H′, W′, D) and value (N, H′, W′, C) for query (N, H, W, D), got ${[key, value, query].map(formatType).join(', ')}`,
    );
    return {
      y: { dataType: query.dataType, shape: [batch, height, width, channels] },
      logSumExp: { dataType: 'float32', shape: [batch, height, width, 1] },
    };
  },
  flops: ({ query, key, value }) => products(query, key, depthOf(query) + depthOf(value)),
  gradient: ({ inputs, outputs, attributes, outputGradients: { y: dy }, add }) => {
    if (!dy) return {};
    const { dQuery, dKey, dValue } = add(attendPixelsGradient, { ...inputs, ...outputs, dy }, attributes);
    return { query: dQuery, key: dKey, value: dValue };
  },
});

/**
 * The gradients of {@link attendPixels} through y. With w_ij = exp(scale · query_i · key_j − logSumExp_i), a block at a time,
 * and dw_ij = scale · w_ij (dy_i · value_j − dy_i · y_i): dQuery = dw · key, dKey = dwᵀ · query, dValue = wᵀ · dy. (Σ_j w_ij
 * dy_i · value_j is dy_i · y_i: Dao, "FlashAttention-2", 2023.)
 */
export const attendPixelsGradient = defineOp({
  name: 'attendPixelsGradient',
  summary: 'gradients of the attention over pixels',
  inputs: ['query', 'key', 'value', 'y', 'logSumExp', 'dy'],
  optionalInputs: [],
  outputs: ['dQuery', 'dKey', 'dValue'],
  attributes: { scale: float },
  facts: { readsSlices: ['query', 'key', 'value', 'y', 'dy'], exactInputs: ['logSumExp'] },
  infer({ query, key, value, y, logSumExp, dy }, attributes) {
    const attended = attendPixels.infer({ query, key, value }, attributes);
    requireSameType(attended.y, y, 'y and its own rule');
    requireSameType(attended.logSumExp, logSumExp, 'logSumExp and its own rule');
    requireSameType(y, dy, 'y and dy');
    return { dQuery: query, dKey: key, dValue: value };
  },
  flops: ({ query, key, value }) => products(query, key, 3 * depthOf(query) + 2 * depthOf(value)),
  gradient: notDifferentiable, // first derivatives alone
});

const depthOf = (type: TensorType): number => type.shape[3] as number;

/** Operations of matrix products with so many multiply-adds for each pair of a query's and a key's pixel. */
function products(query: TensorType, key: TensorType, depth: number): number {
  return 2 * pixelCount(query) * pixelCount({ ...key, shape: key.shape.slice(1) }) * depth;
}

import { float } from '../ir/attributes.js';
import { defineOp, requireShape } from '../ir/op.js';
import { elementCount, formatType, sameShape } from '../ir/tensor-type.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat } from './shapes.js';

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
});

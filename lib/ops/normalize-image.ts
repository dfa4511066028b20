import { bool, oneOf } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, floatTypes, formatType } from '../ir/tensor-type.js';
import { nhwc, requireVector } from './shapes.js';

/**
 * Bytes (N, H, W, 3) to y = image · scale + shift per channel; `reverseChannels` reads RGB as BGR first, scale and shift
 * being in the order of the output. Pictures stay bytes until the device.
 */
export const normalizeImage = defineOp({
  name: 'normalizeImage',
  summary: 'bytes to normalised activations',
  inputs: ['image', 'scale', 'shift'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { reverseChannels: bool, outputType: oneOf('FloatType', floatTypes) },
  facts: { exactInputs: ['scale', 'shift'] },
  infer({ image, scale, shift }, { outputType }) {
    const channels = nhwc(image, 'image')[3];
    requireShape(image.dataType === 'uint8', () => `needs image in uint8, got ${formatType(image)}`);
    requireVector(scale, 'scale', channels);
    requireVector(shift, 'shift', channels);
    return { y: { dataType: outputType, shape: image.shape } };
  },
  flops: (_inputs, { y }) => 2 * elementCount(y.shape),
  gradient: notDifferentiable, // bytes are not trained
});

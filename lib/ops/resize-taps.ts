import { bool, int, oneOf } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, floatTypes, formatType } from '../ir/tensor-type.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requirePositive, requireSameType } from './shapes.js';

/**
 * The second half of a convolution of resized maps, whose products with the filter were made at the maps' own sizes. Each of a
 * to f, z (N, h, w, kernel · kernel · C), holds what each tap t of the filter makes of each small pixel, tap by tap, C channels
 * each. With R, {@link resizeBilinear} to height × width, and o_t, the offset of a tap, dilation · (row − r, column − r), r =
 * (kernel − 1) / 2: y (N, height, width, C)_p = activation(Σ_z Σ_t [p + o_t inside] · R(z_t)_(p + o_t) + residual).
 *
 * A resize mixes pixels and a 1×1 convolution channels: they commute, so that this is the convolution of the resized maps side
 * by side, with zero padding.
 */
export const resizeTaps = defineOp({
  name: 'resizeTaps',
  summary: "sum of a filter's taps of resized maps",
  inputs: ['a'],
  optionalInputs: ['b', 'c', 'd', 'e', 'f', 'residual'],
  outputs: ['y'],
  attributes: {
    height: int,
    width: int,
    kernel: int,
    dilation: int,
    alignCorners: bool,
    ...epilogueAttributes,
    /** Of y and the residual; the maps are small and stay exact. */
    outputType: oneOf('FloatType', floatTypes),
  },
  facts: {
    exactInputs: ['a', 'b', 'c', 'd', 'e', 'f'],
    epilogue: { residual: true, activation: true },
    inPlaceOf: 'residual',
    readsSlices: ['a', 'b', 'c', 'd', 'e', 'f', 'residual'],
    writesSlices: true,
  },
  infer({ residual, ...maps }, { height, width, kernel, dilation, outputType }) {
    requirePositive({ height, width, kernel, dilation });
    requireShape(kernel % 2 === 1, () => `needs an odd kernel, got ${kernel}`);
    const [batch, , , channels] = nhwc(maps.a, 'a');
    for (const [name, z] of Object.entries(maps))
      requireShape(
        z.dataType === 'float32' &&
          z.shape[0] === batch &&
          nhwc(z, name)[3] === channels &&
          channels % kernel ** 2 === 0,
        () => `needs ${name} as float32 (${batch}, h, w, ${kernel ** 2} · C), got ${formatType(z)}`,
      );
    const y = { dataType: outputType, shape: [batch, height, width, channels / kernel ** 2] };
    requireSameType(y, residual, 'y and residual');
    return { y };
  },
  // Separable: first two rows of z are mixed for each tap, then columns.
  flops: ({ residual: _, ...maps }, { y }, { height, kernel }) =>
    Object.values(maps).reduce((sum, { shape: [batch = 0, , width = 0, channels = 0] }) => {
      const rows = batch * height * width * channels;
      return sum + 4 * rows + 4 * kernel * elementCount(y.shape);
    }, 0),
  gradient: notDifferentiable, // a pass of inference makes it; networks convolve what they resized
});

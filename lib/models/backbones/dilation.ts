/** Output strides that classification backbones can be brought to by dilation. */
export const outputStrides = [8, 16, 32] as const;
export type OutputStride = (typeof outputStrides)[number];

export interface StagePlan {
  readonly stride: number;
  /** Dilation of the stage's first 3×3 convolution, the one that carries the stride. */
  readonly firstDilation: number;
  /** Dilation of all the others. */
  readonly dilation: number;
}

/**
 * Gives each stage its stride and dilation, so that the whole network has the output stride: from there on a stride of 2
 * becomes a dilation of 2, and the first convolution of such a stage keeps the dilation before it, since its input is still
 * sampled as before (torchvision's replace_stride_with_dilation).
 *
 * @param stemStride - stride of what comes before the stages
 * @param strides - each stage's stride in the undilated network
 */
export function planStages(
  stemStride: number,
  strides: readonly number[],
  outputStride: OutputStride,
): StagePlan[] {
  let reached = stemStride;
  let dilation = 1;
  return strides.map((stride) => {
    const firstDilation = dilation;
    const dilated = reached * stride > outputStride;
    if (dilated) dilation *= stride;
    else reached *= stride;
    return { stride: dilated ? 1 : stride, firstDilation, dilation };
  });
}

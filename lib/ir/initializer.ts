/** How a parameter starts when there is no checkpoint. */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly standardDeviation: number }
  | { readonly kind: 'uniform'; readonly bound: number };

export const constant = (value: number): Initializer => ({ kind: 'constant', value });

/** Normal with variance 2 / fan: He et al. 2015, as torchvision starts its convolutions (`mode='fan_out'`). */
export const heNormal = (fan: number): Initializer => ({
  kind: 'normal',
  standardDeviation: Math.sqrt(2 / fan),
});

/** Uniform in ±1/√fanIn: what PyTorch gives a layer's bias. */
export const fanInUniform = (fanIn: number): Initializer => ({
  kind: 'uniform',
  bound: 1 / Math.sqrt(fanIn),
});

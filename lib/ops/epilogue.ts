import { type Attributes, float, oneOf } from '../ir/attributes.js';

export const activations = ['none', 'relu', 'relu6', 'leakyRelu'] as const;
export type Activation = (typeof activations)[number];

/**
 * What an operation with an epilogue applies to its result before writing it: result + bias + residual, then the
 * activation. `negativeSlope` is read by leakyRelu alone.
 */
export const epilogueAttributes = {
  activation: oneOf('Activation', activations),
  negativeSlope: float,
} as const;

export type EpilogueAttributes = Attributes<typeof epilogueAttributes>;

export const noActivation = { activation: 'none', negativeSlope: 0 } as const;

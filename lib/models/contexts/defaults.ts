import type { ContextConfig, ContextKind } from './index.js';
import { formFacts, type OcrForm } from './object-context.js';
import type { DropoutConfig, NormConfig } from './parts.js';

/** What one network's contexts have in common, so that they can be compared. */
export interface ContextSizes {
  /** Of the representation that is classified; 512 by default. Those of branches and keys follow from them. */
  readonly channels?: number | undefined;
  /** Of queries, keys and values in OCR, self-attention and double attention; by default half of `channels`. */
  readonly keyChannels?: number | undefined;
  /** Whether OCR starts with a 3×3 convolution; by default it does. */
  readonly pixelConvolution?: boolean | undefined;
  /** Of OCR; by default the paper's. */
  readonly form?: OcrForm | undefined;
  /** Hidden channels of OCR's region head, in the forms where it is not linear. */
  readonly regionHeadChannels?: number | undefined;
  /** Of the batch normalisation in the head. */
  readonly epsilon?: number | undefined;
  readonly negativeSlope?: number | undefined;
  /** Rate of the representation's dropout in training; by default that of OCR's form: none in the paper's. */
  readonly dropout?: number | undefined;
  /** Of the auxiliary head's; by default 0. */
  readonly auxiliaryDropout?: number | undefined;
}

type ConfigOf<K extends ContextKind> = Extract<ContextConfig, { kind: K }>;

interface Sizes {
  readonly channels: number;
  readonly keyChannels: number;
  /** What all heads have. */
  readonly shared: NormConfig & DropoutConfig;
  readonly objects: Omit<ConfigOf<'ocr'>, 'kind' | 'relation' | 'supervision'>;
}

const defaults: { readonly [K in ContextKind]: (sizes: Sizes) => ConfigOf<K> } = {
  none: ({ shared: { dropout } }) => ({ kind: 'none', head: 'fcn', dropout }),
  ocr: ({ objects }) => ({ kind: 'ocr', ...objects, relation: 'pixel-region', supervision: 'regions' }),
  'ground-truth-ocr': ({ objects }) => ({
    kind: 'ground-truth-ocr',
    ...objects,
    truth: 'both',
    auxiliaryChannels: 0,
  }),
  ppm: ({ channels, shared }) => ({
    kind: 'ppm',
    channels,
    branchChannels: channels,
    pools: [1, 2, 3, 6],
    ...shared,
    auxiliaryChannels: channels,
  }),
  aspp: ({ channels, shared }) => ({
    kind: 'aspp',
    channels: part(channels, 2),
    dilations: [12, 24, 36],
    ...shared,
    auxiliaryChannels: channels,
  }),
  'self-attention': ({ channels, keyChannels, shared }) => ({
    kind: 'self-attention',
    channels,
    keyChannels,
    ...shared,
    auxiliaryChannels: channels,
  }),
  danet: ({ channels, shared }) => ({
    kind: 'danet',
    channels,
    keyChannels: part(channels, 8),
    ...shared,
    auxiliaryChannels: channels,
  }),
  'cc-attention': ({ channels, shared }) => ({
    kind: 'cc-attention',
    channels,
    keyChannels: part(channels, 8),
    recurrence: 2,
    ...shared,
    auxiliaryChannels: channels,
  }),
  'double-attention': ({ channels, keyChannels, shared }) => ({
    kind: 'double-attention',
    channels,
    keyChannels,
    regions: 64,
    ...shared,
    auxiliaryChannels: channels,
  }),
  'asp-ocr': ({ channels, shared }) => ({
    kind: 'asp-ocr',
    channels: part(channels, 2),
    keyChannels: part(channels, 4),
    dilations: [12, 24, 36],
    regionHeadChannels: channels,
    ...shared,
  }),
  'coarse-to-fine': ({ channels, shared }) => ({
    kind: 'coarse-to-fine',
    scheme: 'label-refinement',
    channels,
    ...shared,
    auxiliaryChannels: channels,
  }),
};

/**
 * The configuration of a context as the paper's tables have it, scaled to a network's sizes: with 512 channels the branches of
 * ASPP have 256, the keys of DANet and CC-Attention 64.
 */
export function contextConfig<K extends ContextKind>(kind: K, sizes: ContextSizes = {}): ConfigOf<K> {
  const { channels = 512, keyChannels = part(channels, 2), pixelConvolution = true, form = 'paper' } = sizes;
  const { regionHeadChannels, epsilon = 1e-5, negativeSlope = 0 } = sizes;
  const { dropout = formFacts[form].dropout, auxiliaryDropout = 0 } = sizes;
  const shared = { epsilon, negativeSlope, dropout, auxiliaryDropout };
  const objects = {
    ...{ form, channels, keyChannels, pixelConvolution, ...shared },
    ...(regionHeadChannels !== undefined && { regionHeadChannels }),
  };
  return defaults[kind]({ channels, keyChannels, shared, objects });
}

/** The sizes that give a configuration of another kind the width of this one. */
export function contextSizes(config: ContextConfig): ContextSizes {
  if (config.kind === 'none') return {};
  const { epsilon, negativeSlope, dropout, auxiliaryDropout } = config;
  const shared = { epsilon, negativeSlope, dropout, auxiliaryDropout };
  switch (config.kind) {
    case 'ocr':
    case 'ground-truth-ocr': {
      const { channels, keyChannels, pixelConvolution, form, regionHeadChannels } = config;
      return { channels, keyChannels, pixelConvolution, form, regionHeadChannels, ...shared };
    }
    case 'aspp':
    case 'asp-ocr':
      return { channels: 2 * config.channels, ...shared };
    case 'self-attention':
    case 'double-attention':
      return { channels: config.channels, keyChannels: config.keyChannels, ...shared };
    default:
      return { channels: config.channels, ...shared };
  }
}

/** The same context with another rate of dropout; of its auxiliary head's, too, where that has some. */
export function withDropout<C extends ContextConfig>(context: C, dropout: number): C {
  const inAuxiliary = context.kind !== 'none' && context.auxiliaryDropout > 0;
  return { ...context, dropout, ...(inAuxiliary && { auxiliaryDropout: dropout }) };
}

const part = (channels: number, divisor: number): number => Math.max(1, Math.floor(channels / divisor));

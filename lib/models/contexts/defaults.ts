import type { ContextConfig, ContextKind } from './index.js';
import type { OcrForm } from './object-context.js';

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
}

type ConfigOf<K extends ContextKind> = Extract<ContextConfig, { kind: K }>;

interface Sizes {
  readonly channels: number;
  readonly keyChannels: number;
  readonly norm: { readonly epsilon: number; readonly negativeSlope: number };
  readonly objects: Omit<ConfigOf<'ocr'>, 'kind' | 'relation' | 'supervision'>;
}

const defaults: { readonly [K in ContextKind]: (sizes: Sizes) => ConfigOf<K> } = {
  none: () => ({ kind: 'none', head: 'fcn' }),
  ocr: ({ objects }) => ({ kind: 'ocr', ...objects, relation: 'pixel-region', supervision: 'regions' }),
  'ground-truth-ocr': ({ objects }) => ({
    kind: 'ground-truth-ocr',
    ...objects,
    truth: 'both',
    auxiliaryChannels: 0,
  }),
  ppm: ({ channels, norm }) => ({
    kind: 'ppm',
    channels,
    branchChannels: channels,
    pools: [1, 2, 3, 6],
    ...norm,
    auxiliaryChannels: channels,
  }),
  aspp: ({ channels, norm }) => ({
    kind: 'aspp',
    channels: part(channels, 2),
    dilations: [12, 24, 36],
    ...norm,
    auxiliaryChannels: channels,
  }),
  'self-attention': ({ channels, keyChannels, norm }) => ({
    kind: 'self-attention',
    channels,
    keyChannels,
    ...norm,
    auxiliaryChannels: channels,
  }),
  danet: ({ channels, norm }) => ({
    kind: 'danet',
    channels,
    keyChannels: part(channels, 8),
    ...norm,
    auxiliaryChannels: channels,
  }),
  'cc-attention': ({ channels, norm }) => ({
    kind: 'cc-attention',
    channels,
    keyChannels: part(channels, 8),
    recurrence: 2,
    ...norm,
    auxiliaryChannels: channels,
  }),
  'double-attention': ({ channels, keyChannels, norm }) => ({
    kind: 'double-attention',
    channels,
    keyChannels,
    regions: 64,
    ...norm,
    auxiliaryChannels: channels,
  }),
  'asp-ocr': ({ channels, norm }) => ({
    kind: 'asp-ocr',
    channels: part(channels, 2),
    keyChannels: part(channels, 4),
    dilations: [12, 24, 36],
    regionHeadChannels: channels,
    ...norm,
  }),
  'coarse-to-fine': ({ channels, norm }) => ({
    kind: 'coarse-to-fine',
    scheme: 'label-refinement',
    channels,
    ...norm,
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
  const norm = { epsilon, negativeSlope };
  const objects = {
    ...{ form, channels, keyChannels, pixelConvolution, ...norm },
    ...(regionHeadChannels !== undefined && { regionHeadChannels }),
  };
  return defaults[kind]({ channels, keyChannels, norm, objects });
}

/** The sizes that give a configuration of another kind the width of this one. */
export function contextSizes(config: ContextConfig): ContextSizes {
  if (config.kind === 'none') return {};
  const { epsilon, negativeSlope } = config;
  const norm = { epsilon, negativeSlope };
  switch (config.kind) {
    case 'ocr':
    case 'ground-truth-ocr': {
      const { channels, keyChannels, pixelConvolution, form, regionHeadChannels } = config;
      return { channels, keyChannels, pixelConvolution, form, regionHeadChannels, ...norm };
    }
    case 'aspp':
    case 'asp-ocr':
      return { channels: 2 * config.channels, ...norm };
    case 'self-attention':
    case 'double-attention':
      return { channels: config.channels, keyChannels: config.keyChannels, ...norm };
    default:
      return { channels: config.channels, ...norm };
  }
}

const part = (channels: number, divisor: number): number => Math.max(1, Math.floor(channels / divisor));

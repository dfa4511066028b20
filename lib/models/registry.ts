import { invalidArgument } from '../errors.js';
import { suggest } from '../nearest.js';
import { type HrNetConfig, hrNetConfigs } from './backbones/hrnet.js';
import type { BackboneConfig } from './backbones/index.js';
import { mobileNetV2Config } from './backbones/mobilenet-v2.js';
import { resNetConfig, resNetNames } from './backbones/resnet.js';
import type { AspOcrConfig } from './contexts/asp-ocr.js';
import { contextConfig, contextSizes } from './contexts/defaults.js';
import { type ContextKind, contextKinds } from './contexts/index.js';
import { type OcrForm, ocrForms } from './contexts/object-context.js';
import { imageNetNormalisation, type Normalisation } from './normalisation.js';
import type { SegmenterConfig } from './segmenter.js';

export interface NamedModelOptions {
  /** By default the 19 of Cityscapes. */
  readonly classes?: number;
  /** Form of the OCR module; by default the one in which the authors published that backbone. */
  readonly form?: OcrForm;
  /**
   * Puts another context on a plain backbone, in its default configuration and as wide as the backbone's OCR. Stem,
   * normalisation and resizing are then those of the backbone with OCR, so that only the context differs.
   */
  readonly context?: ContextKind;
}

/** What the registry knows about a backbone: how its networks differ, with and without OCR. */
interface Family {
  plain(): Omit<SegmenterConfig, 'classes'>;
  ocr(form: OcrForm): Omit<SegmenterConfig, 'classes'>;
  readonly defaultForm: OcrForm;
  /** Dilations of OCR inside ASPP, where they are not those for features at an eighth of the picture's size. */
  readonly dilations?: AspOcrConfig['dilations'];
}

/** openseg reads pictures with OpenCV: blue first, bytes as they are. */
const opensegResNetNormalisation: Normalisation = {
  channelOrder: 'bgr',
  range: 255,
  mean: [102.9801, 115.9465, 122.7717],
  std: [1, 1, 1],
};

/** openseg's HRNets see BGR under statistics in RGB order: a slip, but their weights were trained with it. */
const opensegHrNetNormalisation: Normalisation = { ...imageNetNormalisation, channelOrder: 'bgr' };

const resNetFamily = (name: (typeof resNetNames)[number]): Family => ({
  plain: () => classifierFamily(resNetConfig(name)).plain(),
  ocr: (form) => ({
    backbone: resNetConfig(name, { stem: form === 'openseg' ? 'deep' : '7x7' }),
    context: contextConfig('ocr', {
      form,
      ...(form === 'openseg' && { regionHeadChannels: 512, auxiliaryDropout: 0.05 }),
    }),
    alignCorners: true,
    normalisation: form === 'openseg' ? opensegResNetNormalisation : imageNetNormalisation,
  }),
  defaultForm: 'openseg',
});

const hrNetFamily = (backbone: HrNetConfig): Family => ({
  plain: () => ({
    backbone,
    context: { kind: 'none', head: 'hrnet', dropout: 0 },
    alignCorners: true,
    normalisation: imageNetNormalisation,
  }),
  ocr: (form) => ({
    backbone,
    // In the paper HRNet's representation feeds OCR as it is.
    context: contextConfig('ocr', { form, pixelConvolution: form !== 'paper' }),
    alignCorners: true,
    normalisation: form === 'openseg' ? opensegHrNetNormalisation : imageNetNormalisation,
  }),
  defaultForm: 'hrnet-ocr',
  dilations: [24, 48, 72],
});

/** Backbones that come from torchvision, with its FCN head and its resizing. */
const classifierFamily = (backbone: BackboneConfig): Family => ({
  plain: () => ({
    backbone,
    context: { kind: 'none', head: 'fcn', dropout: 0.1 },
    alignCorners: false,
    normalisation: imageNetNormalisation,
  }),
  ocr: (form) => ({
    backbone,
    context: contextConfig('ocr', { form }),
    alignCorners: true,
    normalisation: imageNetNormalisation,
  }),
  defaultForm: 'paper',
});

const families: ReadonlyMap<string, Family> = new Map<string, Family>([
  ...resNetNames.map((name) => [name, resNetFamily(name)] as const),
  ...Object.entries(hrNetConfigs).map(([name, config]) => [name, hrNetFamily(config)] as const),
  ['mobilenet-v2', classifierFamily(mobileNetV2Config())],
]);

/** Every network that has a name: each backbone with OCR (`ocrnet-…`) and with a plain head. */
export const modelNames: readonly string[] = [...families.keys()].flatMap((name) => [`ocrnet-${name}`, name]);

/**
 * The configuration of a named network.
 *
 * @throws OcrnetError INVALID_ARGUMENT for an unknown name, with the nearest names, and for impossible options
 */
export function modelConfig(name: string, options: NamedModelOptions = {}): SegmenterConfig {
  const { classes = 19, form, context } = options;
  if (!Number.isInteger(classes) || classes < 1 || classes > 65536)
    throw invalidArgument('classes', 'an integer from 1 to 65536', classes);
  if (form !== undefined && !ocrForms.includes(form))
    throw invalidArgument('form', ocrForms.join(', '), form);
  const withOcr = name.startsWith('ocrnet-');
  const family = families.get(withOcr ? name.slice('ocrnet-'.length) : name);
  if (family === undefined) throw invalidArgument('model', suggest('a known name', name, modelNames), name);
  if (context !== undefined && !contextKinds.includes(context))
    throw invalidArgument('context', suggest('a known kind', context, contextKinds), context);
  if (context !== undefined && withOcr)
    throw invalidArgument('context', `none for ${name}, which is OCR; any for a plain backbone`, context);
  const plain = !withOcr && (context === undefined || context === 'none');
  if (plain && form !== undefined)
    throw invalidArgument('form', `none for ${name}, which has no OCR module`, form);
  if (plain) return { ...family.plain(), classes };
  const withContext = family.ocr(form ?? family.defaultForm);
  if (context === undefined) return { ...withContext, classes };
  const config = contextConfig(context, contextSizes(withContext.context));
  const dilated = config.kind === 'asp-ocr' && family.dilations && { dilations: family.dilations };
  return { ...withContext, context: { ...config, ...dilated }, classes };
}

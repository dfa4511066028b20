import { z } from 'zod';
import { invalidArgument } from '../../errors.js';
import { GraphBuilder } from '../../ir/builder.js';
import type { Graph, Value } from '../../ir/graph.js';
import type { BackboneFeatures } from '../backbones/features.js';
import { aspOcr, aspOcrHead, aspOcrSchema } from './asp-ocr.js';
import { aspp, asppSchema } from './aspp.js';
import { ccAttention, ccAttentionSchema } from './cc-attention.js';
import { coarseToFineHead, coarseToFineSchema } from './coarse-to-fine.js';
import { danet, danetSchema } from './danet.js';
import { doubleAttention, doubleAttentionSchema } from './double-attention.js';
import { groundTruthOcrHead, groundTruthOcrSchema } from './ground-truth-ocr.js';
import { plainHead, plainHeadSchema } from './none.js';
import { objectContext, softRegions } from './object-context.js';
import { objectsOf, ocrHead, ocrSchema } from './ocr.js';
import { classified, type Resizing } from './parts.js';
import { ppm, ppmSchema } from './ppm.js';
import type { Scores } from './scores.js';
import { selfAttention, selfAttentionSchema } from './self-attention.js';

export const contextSchema = z.discriminatedUnion('kind', [
  plainHeadSchema,
  ocrSchema,
  groundTruthOcrSchema,
  ppmSchema,
  asppSchema,
  selfAttentionSchema,
  danetSchema,
  ccAttentionSchema,
  doubleAttentionSchema,
  aspOcrSchema,
  coarseToFineSchema,
]);
export type ContextConfig = z.infer<typeof contextSchema>;
export type ContextKind = ContextConfig['kind'];
export const contextKinds: readonly ContextKind[] = contextSchema.options.flatMap(({ shape }) => [
  ...shape.kind.values,
]);

/** Whether a network with this head is told the truth: it has an input "labels" (N, H, W). */
export const readsLabels = ({ kind }: ContextConfig): boolean => kind === 'ground-truth-ocr';

/** Whether the head predicts a soft object region for each class. */
export const hasRegions = (config: ContextConfig): boolean =>
  config.kind === 'ocr' ||
  config.kind === 'asp-ocr' ||
  (config.kind === 'ground-truth-ocr' && config.truth === 'relation');

/** Whether there are scores of intermediate features that an auxiliary loss trains. */
export function hasAuxiliary(config: ContextConfig): boolean {
  switch (config.kind) {
    case 'none':
      return false;
    case 'ocr':
    case 'asp-ocr':
      return true;
    case 'ground-truth-ocr':
      return config.truth === 'relation' || config.auxiliaryChannels > 0;
    case 'coarse-to-fine':
      return config.scheme !== 'coarse-only' && config.auxiliaryChannels > 0;
    default:
      return config.auxiliaryChannels > 0;
  }
}

/** Where the backbone may end: there is nothing behind its intermediate features that the head reads. */
export const backboneEnd = (config: ContextConfig): 'intermediate' | 'final' =>
  config.kind === 'coarse-to-fine' && config.scheme === 'coarse-only' ? 'intermediate' : 'final';

/** Whether the head joins what it makes of the intermediate features with the final ones, so that both need one size. */
export function joinsFeatures(config: ContextConfig): boolean {
  if (config.kind === 'coarse-to-fine')
    return config.scheme === 'label-ensemble' || config.scheme === 'label-refinement';
  return config.kind === 'ocr' || config.kind === 'asp-ocr' || config.kind === 'ground-truth-ocr';
}

export interface ContextOptions extends Resizing {
  /** Makes the labels' input. */
  readonly labels: () => Value;
}

/** Builds any head, with its context module, on a backbone's features. */
export function buildContext(
  builder: GraphBuilder,
  features: BackboneFeatures,
  classes: number,
  config: ContextConfig,
  options: ContextOptions,
): Scores {
  switch (config.kind) {
    case 'none':
      return plainHead(builder, features, classes, config);
    case 'ocr':
      return ocrHead(builder, features, classes, config);
    case 'asp-ocr':
      return aspOcrHead(builder, features, classes, config);
    case 'ground-truth-ocr':
      return groundTruthOcrHead(builder, features, options.labels(), classes, config);
    case 'coarse-to-fine':
      return coarseToFineHead(builder, features, classes, config);
    default:
      return classified(
        builder,
        features,
        classes,
        config,
        represent(builder, features.final, config, options),
      );
  }
}

/** Contexts that make a representation of the final features alone. */
type FeatureContext = Exclude<
  ContextConfig,
  { kind: 'none' | 'ocr' | 'asp-ocr' | 'ground-truth-ocr' | 'coarse-to-fine' }
>;

function represent(builder: GraphBuilder, x: Value, config: FeatureContext, resizing: Resizing): Value {
  switch (config.kind) {
    case 'ppm':
      return ppm(builder.at('ppm'), x, config, resizing);
    case 'aspp':
      return aspp(builder.at('aspp'), x, config, resizing);
    case 'self-attention':
      return selfAttention(builder, x, config);
    case 'danet':
      return danet(builder.at('head'), x, config);
    case 'cc-attention':
      return ccAttention(builder.at('head'), x, config);
    case 'double-attention':
      return doubleAttention(builder, x, config);
  }
}

/** Of the features that a module alone is built on. */
export interface ModuleSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
}

/**
 * A context module alone, as the paper's Table 4 measures it: input "features" (N, H, W, channels) and, where regions come from
 * class scores, "regionLogits" (N, H, W, classes); output "representation".
 *
 * @throws OcrnetError INVALID_ARGUMENT for heads without a module: none, ground-truth-ocr and coarse-to-fine
 */
export function buildContextModule(
  size: ModuleSize,
  config: ContextConfig,
  resizing: Resizing = { alignCorners: true },
): Graph {
  const builder = new GraphBuilder();
  const { batch, height, width, channels, classes } = size;
  const input = (name: string, depth: number) =>
    builder.input(name, { dataType: 'float32', shape: [batch, height, width, depth] });
  const features = input('features', channels);
  const regionLogits = () => input('regionLogits', classes);
  const representation = (): Value => {
    switch (config.kind) {
      case 'none':
      case 'ground-truth-ocr':
      case 'coarse-to-fine':
        throw invalidArgument('context', 'a kind with a module of its own', config.kind);
      case 'ocr':
        return objectContext(builder, features, config, objectsOf(builder, regionLogits(), config)).y;
      case 'asp-ocr':
        return aspOcr(builder.at('asp_ocr_head'), features, config, softRegions(builder, regionLogits())).y;
      default:
        return represent(builder, features, config, resizing);
    }
  };
  builder.output('representation', representation());
  return builder.build();
}

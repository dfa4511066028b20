import { z } from 'zod';
import { invalidArgument, OcrnetError } from '../errors.js';
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, Value } from '../ir/graph.js';
import { resizeArgmax } from '../ops/index.js';
import { backboneSchema, buildBackbone } from './backbones/index.js';
import { backboneEnd, buildContext, contextSchema, joinsFeatures } from './contexts/index.js';
import type { Scores } from './contexts/scores.js';
import { normalisationSchema, normalise } from './normalisation.js';

export const segmenterSchema = z
  .strictObject({
    backbone: backboneSchema,
    context: contextSchema,
    /** K. Labels are bytes up to 256 classes, 16-bit words above. */
    classes: z.int().positive().max(65536),
    /** Of every bilinear resize, inside the network and to the labels' size. */
    alignCorners: z.boolean(),
    normalisation: normalisationSchema,
  })
  .refine(
    ({ backbone, context }) =>
      !joinsFeatures(context) || !('outputStride' in backbone) || backbone.outputStride !== 32,
    {
      path: ['backbone', 'outputStride'],
      error:
        'expected 8 or 16, so that what is predicted from intermediate features fits the final ones, received 32',
    },
  );

/** A whole segmentation network as plain data, which JSON can hold. */
export type SegmenterConfig = z.infer<typeof segmenterSchema>;

/**
 * Checks a configuration that came from outside.
 *
 * @throws OcrnetError INVALID_ARGUMENT that names the first field that is wrong
 */
export function parseSegmenterConfig(value: unknown): SegmenterConfig {
  const result = segmenterSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.length ? ` at ${issue.path.join('.')}` : '';
  const message = `Invalid network configuration${where}: ${issue?.message ?? 'not valid'}`;
  throw new OcrnetError('INVALID_ARGUMENT', message, { cause: result.error });
}

/** The element type of true labels, which keep their highest value for pixels that do not count. */
export const trainingLabelType = ({ classes }: Pick<SegmenterConfig, 'classes'>): 'uint8' | 'uint16' =>
  classes <= 255 ? 'uint8' : 'uint16';

/** What a segmenter's graph can put out. */
export const segmenterOutputs = [
  'labels',
  'confidence',
  'logits',
  'auxiliaryLogits',
  'auxiliaryLabels',
  'regions',
  'regionLogits',
  'relation',
] as const;
export type SegmenterOutput = (typeof segmenterOutputs)[number];

export interface SegmenterOptions {
  readonly batch: number;
  /** Of the picture, in pixels, from 1. */
  readonly height: number;
  readonly width: number;
  /**
   * - `labels` (N, H, W) uint8 or uint16, and `confidence` (N, H, W) float32, at the labels' size;
   * - `logits`, (N, h, w, K) float32, at the network's own size, as all that follow;
   * - `auxiliaryLogits`, (N, h, w, K), where intermediate features are classified, too, and of them `auxiliaryLabels`, as labels;
   * - `regions` and `regionLogits`, (N, h, w, K), where there are soft object regions;
   * - `relation`, (N, h, w, K), of pixels to these regions.
   */
  readonly outputs: readonly SegmenterOutput[];
  /** Size of labels and confidence; by default the picture's. */
  readonly labelSize?: { readonly height: number; readonly width: number };
  /** Whether the network is to be trained: its dropout is then in it. By default not. */
  readonly training?: boolean;
}

/**
 * The graph of a network: input "image", RGB bytes (N, H, W, 3), for ground-truth OCR "labels" (N, H, W), and for dropout
 * "noise" (4); outputs named as asked for. All of the network is in it
 * whatever the outputs, so that the parameters are always the same.
 *
 * @throws OcrnetError INVALID_ARGUMENT for sizes below 1 and for outputs that the network does not have
 */
export function buildSegmenter(config: SegmenterConfig, options: SegmenterOptions): Graph {
  const { batch, height, width, outputs, labelSize = { height, width }, training = false } = options;
  const sizes = { batch, height, width, 'label height': labelSize.height, 'label width': labelSize.width };
  for (const [name, size] of Object.entries(sizes))
    if (!Number.isSafeInteger(size) || size < 1) throw invalidArgument(name, 'an integer from 1', size);

  const builder = training ? GraphBuilder.forTraining() : new GraphBuilder();
  const image = builder.input('image', { dataType: 'uint8', shape: [batch, height, width, 3] });
  const { alignCorners, classes } = config;
  const features = buildBackbone(
    builder.at('backbone'),
    normalise(builder, image, config.normalisation),
    config.backbone,
    { alignCorners, end: backboneEnd(config.context) },
  );
  const labels = () =>
    builder.input('labels', { dataType: trainingLabelType(config), shape: [batch, height, width] });
  const scores = buildContext(builder, features, classes, config.context, { alignCorners, labels });
  addOutputs(builder, scores, config, outputs, labelSize);
  return builder.build();
}

/**
 * The network for its parameters' sake, which are the same at every size; what the compiler makes of them is the same at all
 * but small ones.
 */
export const parameterGraph = (config: SegmenterConfig): Graph =>
  buildSegmenter(config, { batch: 1, height: 512, width: 512, outputs: ['logits'] });

function addOutputs(
  builder: GraphBuilder,
  scores: Scores,
  { alignCorners, classes }: SegmenterConfig,
  wanted: readonly SegmenterOutput[],
  labelSize: { readonly height: number; readonly width: number },
): void {
  const available = outputsOf(scores, (scope, logits) => {
    const labelType = classes <= 256 ? 'uint8' : 'uint16';
    return builder.at(scope).add(resizeArgmax, { logits }, { ...labelSize, alignCorners, labelType });
  });
  if (wanted.length === 0) throw invalidArgument('outputs', `some of ${segmenterOutputs.join(', ')}`, wanted);
  for (const name of new Set(wanted)) {
    const value = available[name]?.();
    if (value === undefined)
      throw invalidArgument(
        'outputs',
        `some of ${segmenterOutputs.filter((output) => available[output]).join(', ')}, all that the network has`,
        name,
      );
    builder.output(name, value);
  }
}

type Labelling = (scope: string, logits: Value) => { readonly labels: Value; readonly confidence: Value };

/** What there is, each added to the graph only when it is called for. */
function outputsOf(
  { logits, auxiliaryLogits, regions, regionLogits, relation }: Scores,
  label: Labelling,
): Readonly<Record<SegmenterOutput, (() => Value) | undefined>> {
  let labelled: ReturnType<Labelling> | undefined;
  const final = () => {
    labelled ??= label('labels', logits);
    return labelled;
  };
  return {
    labels: () => final().labels,
    confidence: () => final().confidence,
    logits: () => logits,
    auxiliaryLogits: auxiliaryLogits && (() => auxiliaryLogits),
    auxiliaryLabels: auxiliaryLogits && (() => label('auxiliaryLabels', auxiliaryLogits).labels),
    regions: regions && (() => regions),
    regionLogits: regionLogits && (() => regionLogits),
    relation,
  };
}

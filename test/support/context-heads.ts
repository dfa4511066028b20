import type { z } from 'zod';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Value } from '../../lib/ir/graph.js';
import { constant } from '../../lib/ir/initializer.js';
import type { Shape } from '../../lib/ir/tensor-type.js';
import { buildContext, contextSchema } from '../../lib/models/contexts/index.js';
import { type GoldenTensor, readJson, readTensors } from './golden.js';
import { hashWords, syntheticParameter } from './synthetic-weights.js';

/** Heads on features alone, as test/golden/context_heads.py builds them in PyTorch, and what it makes of them. */

export type ContextConfig = z.infer<typeof contextSchema>;

export interface GoldenHead {
  readonly name: string;
  readonly context: ContextConfig;
  readonly classes: number;
  readonly alignCorners: boolean;
  /** By the names of `segmenterOutputs`, with the running statistics of batch normalisation. */
  readonly outputs: Readonly<Record<string, GoldenTensor>>;
  /** In training, weighted: of the logits and, where there are any, of the auxiliary ones. */
  readonly losses: readonly number[];
  /** Of the losses' sum, in PyTorch's layout. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

const batch = 3;
const size = { height: 7, width: 5 };
const channels = { intermediate: 6, final: 10 };
export const labelSize = { height: 13, width: 11 };

export function goldenHeads(): GoldenHead[] {
  const entries = readJson('contexts.json') as (Omit<GoldenHead, 'alignCorners'> & {
    alignCorners?: boolean;
  })[];
  return entries.map(({ name, context, classes, alignCorners = true }) => {
    const { losses, ...tensors } = readTensors(`contexts/${name}.safetensors`);
    const under = (kind: string, wanted: boolean) =>
      Object.entries(tensors).filter(([key]) => key.startsWith(kind) === wanted);
    return {
      ...{ name, classes, alignCorners, context: contextSchema.parse(context) },
      outputs: Object.fromEntries(under('gradient/', false)),
      losses: [...(losses as GoldenTensor).data],
      gradients: new Map(
        under('gradient/', true).map(([key, { data }]) => [key.slice('gradient/'.length), data]),
      ),
    };
  });
}

/** The graph of a head; its features are parameters, so that they have gradients, or inputs. */
export function headGraph(head: GoldenHead, features: 'inputs' | 'parameters'): Graph {
  const builder = new GraphBuilder();
  const feature = (name: FeatureName): Value => {
    const shape = [batch, size.height, size.width, channels[name]];
    if (features === 'inputs') return builder.input(`features.${name}`, { dataType: 'float32', shape });
    return builder.at('features').parameter(name, shape, {
      kind: 'stored',
      fileLayout: 'filter',
      initializer: constant(0),
      trainable: true,
    });
  };
  const [intermediate, final] = [feature('intermediate'), feature('final')];
  const { classes, context, alignCorners } = head;
  const labels = () =>
    builder.input('labels', { dataType: 'uint8', shape: [batch, labelSize.height, labelSize.width] });
  const ends = { stages: [intermediate, final], intermediate, final };
  const scores = buildContext(builder, ends, classes, context, { alignCorners, labels });
  builder.output('logits', scores.logits);
  if (scores.auxiliaryLogits) builder.output('auxiliaryLogits', scores.auxiliaryLogits);
  return builder.build();
}

type FeatureName = keyof typeof channels;

/** (N, C, H, W), as syntheticFeatures. */
export const featureShape = (name: FeatureName): Shape => [batch, channels[name], size.height, size.width];

export const syntheticFeatures = (name: FeatureName): Float32Array =>
  syntheticParameter(`features.${name}`, featureShape(name));

export function syntheticLabels({ name, classes }: GoldenHead): Uint8Array {
  const words = hashWords(`${name} labels`, batch * labelSize.height * labelSize.width);
  return Uint8Array.from(words, (word) => {
    const label = (word >>> 8) % (classes + 1);
    return label === classes ? 255 : label;
  });
}

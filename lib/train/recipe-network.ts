import { z } from 'zod';
import { OcrnetError } from '../errors.js';
import { backboneSchema } from '../models/backbones/index.js';
import { contextConfig, contextSizes, withDropout } from '../models/contexts/defaults.js';
import {
  type ContextConfig,
  type ContextKind,
  contextKinds,
  contextSchema,
} from '../models/contexts/index.js';
import type { OcrForm } from '../models/contexts/object-context.js';
import { modelConfig } from '../models/registry.js';
import { parseSegmenterConfig, type SegmenterConfig, segmenterSchema } from '../models/segmenter.js';

// The network of a recipe: that of `model`, with another backbone or context where `backbone` or `context` names one, and with
// another rate of dropout where `dropout` does.

/** A network without the number of its classes. */
export type NetworkConfig = Omit<SegmenterConfig, 'classes'>;

/** A recipe's keys that say which network it trains. */
export interface NetworkKeys {
  readonly model: string | NetworkConfig;
  readonly form?: OcrForm;
  readonly backbone?: string | NetworkConfig['backbone'];
  readonly context?: ContextConfig;
  readonly dropout?: number;
}

/** `context` as it is written: fields of a kind, all of which have defaults. Without a kind they are the network's own context's. */
export type ContextKey = Readonly<Record<string, unknown>> & { readonly kind?: string | undefined };

type Keys<C> = Omit<NetworkKeys, 'context'> & { readonly context?: C };

/** Checks `model`: a name of the registry, or a whole network save its classes. */
export function checkModel(value: unknown, context: z.RefinementCtx): string | NetworkConfig {
  if (typeof value === 'string') return checkName(value, context);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse(context, 'the name of a network, or its configuration');
  if ('classes' in value) return refuse(context, 'no classes, for they are the data set’s', ['classes']);
  const result = segmenterSchema.safeParse({ ...value, classes: 1 });
  if (!result.success) {
    for (const issue of result.error.issues) context.issues.push(issue as z.core.$ZodRawIssue);
    return z.NEVER;
  }
  const { classes: _, ...network } = result.data;
  return network;
}

/** Checks `backbone`: the name of a network without a head, or a whole configuration. */
export function checkBackbone(value: unknown, context: z.RefinementCtx): string | NetworkConfig['backbone'] {
  if (typeof value === 'string')
    return value.startsWith('ocrnet-')
      ? refuse(context, `the name of a backbone, ${value.slice('ocrnet-'.length)}`)
      : checkName(value, context);
  const result = backboneSchema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) context.issues.push(issue as z.core.$ZodRawIssue);
  return z.NEVER;
}

function checkName(name: string, context: z.RefinementCtx): string {
  try {
    modelConfig(name);
    return name;
  } catch (error) {
    return refuse(context, (error instanceof OcrnetError && error.expected) || 'a known name');
  }
}

function refuse(context: z.RefinementCtx, expected: string, path: PropertyKey[] = []): never {
  context.addIssue({ code: 'custom', message: expected, path });
  return z.NEVER;
}

/**
 * A recipe's context with all its fields: those that are given, over those of the network's own context where the kind is the
 * same, else over the paper's, scaled to the width of the own one.
 */
export function resolveContext(keys: Keys<ContextKey> & { readonly context: ContextKey }) {
  const { context } = keys;
  const own = ownConfig(keys, 1).context;
  const kind = context.kind ?? own.kind;
  const base = kind === own.kind ? own : isKind(kind) ? contextConfig(kind, contextSizes(own)) : {};
  return contextSchema.safeParse({ ...base, ...context, kind });
}

/** The network that a recipe trains, for so many classes. */
export function configOf(keys: NetworkKeys, classes: number): SegmenterConfig {
  const { backbone, dropout } = keys;
  const own = ownConfig(keys, classes);
  const context = keys.context ?? own.context;
  return parseSegmenterConfig({
    ...own,
    ...(backbone && { backbone: typeof backbone === 'string' ? modelConfig(backbone).backbone : backbone }),
    context: dropout === undefined ? context : withDropout(context, dropout),
  });
}

/** What a report calls it. */
export function networkName({
  name,
  model,
  backbone,
  context,
}: NetworkKeys & { readonly name: string }): string {
  if (typeof model !== 'string') return name;
  if (backbone === undefined && context === undefined) return model;
  const body = typeof backbone === 'object' ? backbone.kind : (backbone ?? model.replace(/^ocrnet-/, ''));
  return `${body} with ${context?.kind ?? (model.startsWith('ocrnet-') ? 'ocr' : 'none')}`;
}

/** That of `model` alone; a plain name becomes the network that was published with the context. */
function ownConfig({ model, form, context }: Keys<ContextKey>, classes: number): SegmenterConfig {
  if (typeof model !== 'string') {
    if (form === undefined) return parseSegmenterConfig({ ...model, classes });
    throw new OcrnetError('INVALID_ARGUMENT', 'form is for named networks', {
      expected: 'no form beside a whole configuration, which says it itself',
      received: form,
    });
  }
  const kind = model.startsWith('ocrnet-') || !isKind(context?.kind) ? undefined : context.kind;
  return modelConfig(model, { classes, ...(form && { form }), ...(kind && { context: kind }) });
}

const isKind = (kind: string | undefined): kind is ContextKind =>
  (contextKinds as readonly (string | undefined)[]).includes(kind);

import type { z } from 'zod';
import { describe, OcrnetError } from '../errors.js';
import { backboneSchema } from '../models/backbones/index.js';
import { contextSchema } from '../models/contexts/index.js';
import { segmenterSchema } from '../models/segmenter.js';
import { suggest } from '../nearest.js';
import { isMapping, type Layer, type Mapping } from './recipe-file.js';
import { recipeSchema } from './recipe-schema.js';

type Issue = z.core.$ZodIssue;

/** What is wrong with a recipe, said about the first key that is: where it stands, what is expected, what was received. */
export function failureOf(error: z.ZodError, value: Mapping, layers: readonly Layer[]): OcrnetError {
  const issue = innermost(error.issues[0] as Issue);
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = unknown === undefined ? issue.path : [...issue.path, unknown];
  const layer =
    layers.findLast((one) => valueAt(one.value, path) !== undefined) ?? nearestLayer(layers, path);
  const expected =
    unknown === undefined ? expectedBy(issue) : suggest('a known key', unknown, keysAt(issue.path, value));
  const received = unknown ?? describe(valueAt(value, path) ?? null).replace(/^null$/, 'nothing');
  const place = layer ? `${layer.locate(path)}: ` : '';
  return new OcrnetError(
    layer?.isSetting ? 'INVALID_ARGUMENT' : 'INVALID_DATA',
    `${place}${path.join('.')}`,
    {
      expected,
      received,
      cause: error,
    },
  );
}

/** Of a key that no layer has: the layer that came nearest to it, for a required key is missing in its mapping. */
function nearestLayer(layers: readonly Layer[], path: readonly PropertyKey[]): Layer | undefined {
  for (let length = path.length - 1; length > 0; length--) {
    const layer = layers.findLast((one) => valueAt(one.value, path.slice(0, length)) !== undefined);
    if (layer) return layer;
  }
  return layers.findLast(({ isSetting }) => !isSetting);
}

/**
 * Of alternatives the one that was meant, where only one of them knows the keys that are there: its complaint says more than
 * the list of all.
 */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  const deeper = issue.errors.filter((issues) => issues.every(({ path }) => path.length > 0));
  const [only] = deeper;
  if (deeper.length !== 1 || only?.[0] === undefined) return issue;
  return innermost({ ...only[0], path: [...issue.path, ...only[0].path] } as Issue);
}

function expectedBy(issue: Issue): string {
  if (issue.code === 'invalid_union' && issue.discriminator && 'options' in issue)
    return `one of ${(issue.options as string[]).join(', ')}`;
  const { message } = issue;
  if (issue.code === 'invalid_type' && message.startsWith('Invalid input'))
    return issue.expected === 'object' ? 'a mapping of keys' : `${issue.expected}`;
  // Messages of zod's own say in one sentence what was expected and received: the rest of this sentence is ours.
  return message
    .replace(/^.*?expected /i, '')
    .replace(/, received .*$/, '')
    .replaceAll('|', ', ');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => {
    if (isMapping(inner)) return Object.hasOwn(inner, key) ? inner[key as string] : undefined;
    return Array.isArray(inner) ? inner[key as number] : undefined;
  }, value);
}

/** The keys that the schema knows at a path, of all its alternatives that the value may be. */
function keysAt(path: readonly PropertyKey[], value: Mapping): string[] {
  const schemas = path.reduce<z.core.$ZodType[]>(
    (at, key, i) => alternatives(at, valueAt(value, path.slice(0, i))).flatMap((one) => childOf(one, key)),
    [recipeSchema],
  );
  const shapes = alternatives(schemas, valueAt(value, path)).map(shapeOf);
  return [...new Set(shapes.flatMap((shape) => Object.keys(shape ?? {})))];
}

/** Schemas without their defaults, and one for each alternative; where `kind` tells these apart, the value's. */
function alternatives(schemas: readonly z.core.$ZodType[], value: unknown): z.core.$ZodType[] {
  return schemas.flatMap((schema) => {
    const { def } = (schema as z.core.$ZodTypes)._zod;
    if ('innerType' in def) return alternatives([def.innerType as z.core.$ZodType], value);
    if (def.type !== 'union') return [schema];
    const { discriminator } = def as z.core.$ZodDiscriminatedUnionDef;
    const options = def.options as z.core.$ZodType[];
    const kind = discriminator === undefined ? undefined : valueAt(value, [discriminator]);
    const meant = options.filter((option) => {
      const values = shapeOf(option)?.[discriminator]?._zod.values;
      return kind === undefined || values?.has(kind as string);
    });
    return alternatives(meant, value);
  });
}

function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return def.type === 'object' ? (def.shape as Readonly<Record<string, z.core.$ZodType>>) : undefined;
}

const checkedKeys: Readonly<Record<string, z.core.$ZodType>> = {
  model: segmenterSchema,
  backbone: backboneSchema,
  context: contextSchema,
};

function childOf(schema: z.core.$ZodType, key: PropertyKey): z.core.$ZodType[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'array') return [def.element as z.core.$ZodType];
  const child = shapeOf(schema)?.[key as string];
  // The keys that functions check.
  const checked = schema === recipeSchema && checkedKeys[key as string];
  if (checked) return [checked];
  return child ? [child] : [];
}

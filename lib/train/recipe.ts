import { stringify } from 'yaml';
import { ZodError, type z } from 'zod';
import { OcrnetError } from '../errors.js';
import type { ContextConfig } from '../models/contexts/index.js';
import {
  adamW,
  chain,
  clipByGlobalNorm,
  movingAverage,
  poly,
  type Schedule,
  sgd,
  type Transform,
  warmUp,
} from '../optim/index.js';
import { failureOf } from './recipe-error.js';
import { type Layer, layersOf, merge, settingLayer, textLayer, valueLayer } from './recipe-file.js';
import { configOf, resolveContext } from './recipe-network.js';
import { recipeSchema } from './recipe-schema.js';

/** All that decides a training save the data: validated, with every question answered. */
export type Recipe = Omit<z.output<typeof recipeSchema>, 'evaluation' | 'context'> & {
  readonly evaluation: Required<z.output<typeof recipeSchema>['evaluation']>;
  readonly context?: ContextConfig;
};

export interface RecipeOptions {
  /** Parts of recipes, as files have them: each over what is before it, below `set`. */
  readonly changes?: readonly Readonly<Record<string, unknown>>[];
  /** `key.path=value`, the value as YAML: each overrides what is before it. */
  readonly set?: readonly string[];
}

/**
 * Reads a recipe: one that ocrnet brings ({@link recipeNames}), or a file, `*.yaml`. What it `extends` comes first, then
 * the file, then `set`: mappings merge key by key, all else replaces, and null takes back what was inherited.
 *
 * @throws OcrnetError INVALID_DATA that names file, line and key; INVALID_ARGUMENT for an unknown name or a wrong setting;
 * FILE_NOT_FOUND, FILE_UNREADABLE
 */
export function loadRecipe(nameOrPath: string, { changes = [], set = [] }: RecipeOptions = {}): Recipe {
  return resolveLayers([
    ...layersOf(nameOrPath),
    ...changes.map((change) => valueLayer(change, 'changes')),
    ...set.map(settingLayer),
  ]);
}

/** What {@link recipeText} wrote. `source` is where it was kept, for messages. */
export const parseRecipe = (text: string, source: string): Recipe => resolveLayers([textLayer(text, source)]);

function resolveLayers(layers: readonly Layer[]): Recipe {
  const value = merge(layers.map((layer) => layer.value));
  const result = recipeSchema.safeParse(value);
  if (!result.success) throw failureOf(result.error, value, layers);
  const { evaluation, context, ...recipe } = result.data;
  const { weights = recipe.average ? 'average' : 'trained' } = evaluation;
  if (weights === 'average' && !recipe.average)
    throw new OcrnetError('INVALID_ARGUMENT', `Recipe ${recipe.name}: evaluation.weights`, {
      expected: 'trained, or average: { decay, warmUp }',
      received: 'average, which is not kept',
    });
  const resolved = { ...recipe, evaluation: { ...evaluation, weights } };
  if (!context) {
    // Sees whether its parts fit each other.
    configOf(recipe, 1);
    return resolved;
  }
  const whole = resolveContext({ ...recipe, context });
  if (!whole.success) throw failureOf(within(whole.error, 'context'), value, layers);
  configOf({ ...recipe, context: whole.data }, 1);
  return { ...resolved, context: whole.data };
}

const within = ({ issues }: z.ZodError, key: string): z.ZodError =>
  new ZodError(issues.map((issue) => ({ ...issue, path: [key, ...issue.path] })));

/** Clipping, the optimiser, the moving average, in this order. */
export function optimiserOf({ clip, optimiser, average }: Recipe): Transform {
  const links: Transform[] = [];
  if (clip !== undefined) links.push(clipByGlobalNorm(clip));
  links.push(optimiser.kind === 'sgd' ? sgd(optimiser) : adamW(optimiser));
  if (average) links.push(movingAverage(average));
  return chain(...links);
}

export const scheduleOf = ({ schedule, steps }: Recipe): Schedule =>
  warmUp(schedule.warmUp, poly({ rate: schedule.rate, power: schedule.power, steps }));

/** The recipe as YAML with nothing left to look up: loading it gives the same recipe again. */
export const recipeText = (recipe: Recipe): string =>
  stringify(recipe, { lineWidth: 110, flowCollectionPadding: true });

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, OcrnetError } from '../errors.js';
import { CheckpointStore } from './checkpoints.js';
import { loadRecipe, parseRecipe, type Recipe } from './recipe.js';
import { isMapping, settingPath } from './recipe-file.js';

// A folder holds one training. It is begun once and gone on with by whoever says so, with the recipe that it began with but
// for what is changed on purpose.

/** How to go on with a training, in the words of whoever asks: for errors. */
export type ResumeAdvice = (folder: string) => string;

/** @throws OcrnetError INVALID_ARGUMENT for a folder that a training was begun in, with what to do */
export async function requireNoTraining(folder: string, resume: ResumeAdvice): Promise<void> {
  const last = (await new CheckpointStore(folder, 1).list()).at(-1);
  if (last)
    throw new OcrnetError('INVALID_ARGUMENT', `${folder} holds a training, ${last.step} steps of it`, {
      expected: `another folder, or to go on with it: ${resume(folder)}`,
    });
  if (existsSync(join(folder, 'log.jsonl')))
    throw new OcrnetError('INVALID_ARGUMENT', `${folder} holds a training that saved no checkpoint`, {
      expected: 'another folder, or none: remove it to begin again',
    });
}

/**
 * The recipe to go on with: as it was, save for the keys that `set` changes.
 *
 * @throws OcrnetError FILE_NOT_FOUND where there is no checkpoint; INVALID_ARGUMENT where the recipe is another one, naming the
 * first key; as loadRecipe
 */
export async function loadResumedRecipe(
  folder: string,
  nameOrPath: string,
  set: readonly string[],
  resume: ResumeAdvice,
): Promise<Recipe> {
  const store = new CheckpointStore(folder, 1);
  const last = (await store.list()).at(-1);
  if (!last)
    throw new OcrnetError('FILE_NOT_FOUND', `${folder} holds no checkpoint to resume from`, {
      expected: `a readable file in ${store.folder}`,
    });
  const given = loadRecipe(nameOrPath, { set });
  const changed = set.map(settingPath);
  const difference = firstDifference(parseRecipe(last.recipe, last.path), given, changed);
  if (!difference) return given;
  const { key, before, now } = difference;
  throw new OcrnetError('INVALID_ARGUMENT', `${folder} was trained with another recipe: ${key}`, {
    expected: `${before} as before (${resume(folder)}), or \`--set ${key}=…\` to change it`,
    received: now,
  });
}

/** The first key in which recipes differ, their names and what was `changed` on purpose apart. */
export function firstDifference(
  before: Recipe,
  now: Recipe,
  changed: readonly (readonly string[])[] = [],
): { readonly key: string; readonly before: string; readonly now: string } | undefined {
  const [difference] = differences(before, now).filter(
    ({ path }) => path[0] !== 'name' && !changed.some((keys) => isWithin(keys, path) || isWithin(path, keys)),
  );
  return (
    difference && {
      key: difference.path.join('.'),
      before: describe(difference.before ?? 'nothing'),
      now: describe(difference.now ?? 'nothing'),
    }
  );
}

const isWithin = (path: readonly string[], other: readonly string[]): boolean =>
  other.every((key, i) => path[i] === key);

interface Difference {
  readonly path: readonly string[];
  readonly before: unknown;
  readonly now: unknown;
}

function differences(before: unknown, now: unknown, path: readonly string[] = []): Difference[] {
  if (isMapping(before) && isMapping(now))
    return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((key) =>
      differences(before[key], now[key], [...path, key]),
    );
  return JSON.stringify(before) === JSON.stringify(now) ? [] : [{ path, before, now }];
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset, Split } from '../data/dataset.js';
import { descriptionFile, openDataset } from '../data/folder-dataset.js';
import { type Mixture, mix } from '../data/mix.js';
import { sceneDataset } from '../data/scenes.js';
import { OcrnetError } from '../errors.js';
import type { Recipe } from './recipe.js';

/**
 * The data set of a training: a folder, or streets that the recipe renders. What a folder's `dataset.yaml` says goes before
 * the recipe's `data.kind`, so that a recipe for CamVid trains on other streets as well.
 *
 * @throws OcrnetError INVALID_ARGUMENT for a folder where the recipe renders, or none where it does not; as openDataset
 */
export async function openRecipeDataset({ name, data }: Recipe, folder?: string): Promise<Dataset> {
  const { kind, scenes } = data;
  if (folder === undefined) {
    if (scenes) return sceneDataset(scenes);
    throw new OcrnetError('INVALID_ARGUMENT', `Recipe ${name} needs a data set`, {
      expected: `a folder of pictures and labels (--data DIR)${kind ? `, in the form of ${kind}` : ''}`,
      received: 'none',
    });
  }
  if (scenes)
    throw new OcrnetError('INVALID_ARGUMENT', `Recipe ${name} renders its pictures`, {
      expected: 'no folder, or a recipe without data.scenes (--set data.scenes=null)',
      received: folder,
    });
  const isDescribed = existsSync(join(folder, descriptionFile));
  return openDataset(folder, isDescribed || kind === undefined ? {} : { kind });
}

/** What the network is trained on: the training split, with what the recipe mixes in. */
export async function trainingSource({ data }: Recipe, train: Split): Promise<Split | Mixture> {
  if (data.mix.length === 0) return train;
  const more = await Promise.all(
    data.mix.map(async ({ scenes, share }) => ({
      split: await sceneDataset(scenes).split('train'),
      weight: share,
    })),
  );
  const rest = 1 - more.reduce((sum, { weight }) => sum + weight, 0);
  return mix([{ split: train, weight: rest }, ...more]);
}

import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { describe, invalidArgument, OcrnetError } from '../errors.js';
import { unreadable } from '../files.js';
import { decodeImage } from '../image/decode.js';
import type { Dataset, LabelledImage, Sample, Split } from './dataset.js';
import { knownDatasets } from './datasets/index.js';
import { type DatasetDescription, type DatasetMeaning, interpret, parseDescription } from './description.js';
import { type LabelTable, labelTable } from './label-values.js';
import { readLabelPng } from './read-label.js';

export interface DatasetOptions {
  /** What a folder without `dataset.yaml` holds: `camvid`, `cityscapes`, `ade20k`, `lip`, `pascal-context`, `coco-stuff`. */
  readonly kind?: string | undefined;
}

export const descriptionFile = 'dataset.yaml';

/** What to write into `dataset.yaml`, for whoever has none. */
const example = 'classes: [background, road, car]\nignore: 255\n';

/**
 * Opens a folder with `images/SPLIT/NAME.jpg` (or another format), `labels/SPLIT/NAME.png` and `dataset.yaml`, which says
 * what the labels mean; docs/data.md has its keys. Nothing is guessed: without that file `kind` has to name a known data set.
 *
 * @throws OcrnetError FILE_NOT_FOUND for a missing folder or dataset.yaml, INVALID_DATA for one that makes no sense,
 * INVALID_ARGUMENT for an unknown kind
 */
export async function openDataset(folder: string, { kind }: DatasetOptions = {}): Promise<Dataset> {
  if (typeof folder !== 'string') throw invalidArgument('folder', 'a path', folder);
  const known = kind === undefined ? undefined : knownDatasets[kind];
  const kinds = Object.keys(knownDatasets).join(', ');
  if (kind !== undefined && known === undefined) throw invalidArgument('kind', `one of ${kinds}`, kind);
  const entries = await list(folder);
  const path = join(folder, descriptionFile);
  if (entries.includes(descriptionFile)) {
    if (known)
      throw new OcrnetError('INVALID_ARGUMENT', `${path} says already what the labels mean`, {
        expected: `no kind, or \`extends: ${kind}\` in that file`,
        received: describe(kind),
      });
    return folderDataset(folder, interpret(await readDescription(path), path));
  }
  if (known) return folderDataset(folder, interpret(known, String(kind)));
  throw new OcrnetError(
    'FILE_NOT_FOUND',
    `${folder} has no ${descriptionFile}, so nothing says what its labels mean. ` +
      `Write one, such as\n\n${example}\nor \`extends: NAME\` or name the kind, with one of ${kinds}`,
  );
}

async function readDescription(path: string): Promise<DatasetDescription> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw unreadable(path, error);
  });
  const document = parseDocument(text);
  const notYaml = (problem: Error) =>
    new OcrnetError('INVALID_DATA', `${path} is not YAML: ${problem.message.split('\n')[0]}`, {
      cause: problem,
    });
  const [problem] = document.errors;
  if (problem) throw notYaml(problem);
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases to nothing, or too many of them.
    throw notYaml(error as Error);
  }
  return parseDescription(value, path);
}

function folderDataset(folder: string, meaning: DatasetMeaning): Dataset {
  const { classes, ignoreLabel, mirrorPairs } = meaning;
  const table = labelTable(meaning);
  return {
    // What reports and logs say: a folder's path is its owner's business.
    name: basename(resolve(folder)),
    classes,
    ignoreLabel,
    mirrorPairs,
    split: (name) => openSplit(folder, name, meaning, table),
    splitNames: () => listFolders(join(folder, meaning.folders.images)),
  };
}

async function openSplit(
  folder: string,
  name: string,
  { classes, ignoreLabel, mirrorPairs, folders, suffixes }: DatasetMeaning,
  table: LabelTable,
): Promise<Split> {
  const [images, labels] = [join(folder, folders.images), join(folder, folders.labels)];
  const names = await listFolders(images);
  if (!names.includes(name))
    throw new OcrnetError('FILE_NOT_FOUND', `${images} has no split of this name`, {
      expected: names.length === 0 ? 'a folder for each split' : `one of ${names.join(', ')}`,
      received: describe(name),
    });
  const imagePaths = byName(
    join(images, name),
    await list(join(images, name), true),
    suffixes.image,
    isPicture,
  );
  const labelPaths = byName(join(labels, name), await list(join(labels, name), true), suffixes.label, isPng);
  if (imagePaths.size === 0) throw empty(join(images, name), suffixes.image);
  for (const [sample, path] of imagePaths)
    if (!labelPaths.has(sample))
      throw unpaired(path, 'labels', join(labels, name, `${sample}${suffixes.label}.png`));
  for (const [sample, path] of labelPaths)
    if (!imagePaths.has(sample))
      throw unpaired(path, 'a picture', join(images, name, `${sample}${suffixes.image}.jpg, .png, …`));
  const samples = [...imagePaths.keys()]
    .sort()
    .map((sample) =>
      fileSample(sample, imagePaths.get(sample) as string, labelPaths.get(sample) as string, table),
    );
  return { name, samples, classes, ignoreLabel, mirrorPairs };
}

const isPicture = /\.(jpe?g|png|webp|tiff?|gif|avif)$/i;
const isPng = /\.png$/i;

/** Files by what they are called without folder, suffix and ending; other files are passed over. */
function byName(
  folder: string,
  files: readonly string[],
  suffix: string,
  pattern: RegExp,
): Map<string, string> {
  const paths = new Map<string, string>();
  for (const file of files) {
    const stem = file.replace(pattern, '');
    if (stem === file || !stem.endsWith(suffix)) continue;
    const name = stem.slice(0, stem.length - suffix.length);
    const other = paths.get(name);
    if (other !== undefined)
      throw new OcrnetError('INVALID_DATA', `Two files are the sample ${name}`, {
        expected: 'names that differ in more than their ending',
        received: `${other} and ${join(folder, file)}`,
      });
    paths.set(name, join(folder, file));
  }
  return paths;
}

function fileSample(name: string, imagePath: string, labelPath: string, table: LabelTable): Sample {
  const readLabel = () => readLabelPng(labelPath, table);
  return { name, imagePath, labelPath, readLabel, read: () => readPair(imagePath, labelPath, readLabel) };
}

async function readPair(
  imagePath: string,
  labelPath: string,
  readLabel: Sample['readLabel'],
): Promise<LabelledImage> {
  const [image, label] = await Promise.all([decodeImage(imagePath), readLabel()]);
  if (image.width !== label.width || image.height !== label.height)
    throw new OcrnetError('INVALID_DATA', `${labelPath} has another size than ${imagePath}`, {
      expected: `${image.width}×${image.height} pixels`,
      received: `${label.width}×${label.height}`,
    });
  return { image, label };
}

/** The names in a folder, with `deep` the files in and under it, with `/` between. */
async function list(folder: string, deep = false): Promise<string[]> {
  try {
    if (!deep) return await readdir(folder);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
  } catch (error) {
    throw unreadable(folder, error);
  }
}

async function listFolders(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    // A link may lead to a folder; that it does not is found out when it is read.
    return entries
      .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    throw unreadable(folder, error);
  }
}

const empty = (folder: string, suffix: string): OcrnetError =>
  new OcrnetError('INVALID_DATA', `${folder} is empty`, {
    expected: `pictures, NAME${suffix}.jpg, .png, …`,
    received: 'none',
  });

const unpaired = (path: string, partner: string, expected: string): OcrnetError =>
  new OcrnetError('INVALID_DATA', `There is no file with ${partner} for ${path}`, { expected });

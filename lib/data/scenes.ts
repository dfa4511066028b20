import { invalidArgument, OcrnetError } from '../errors.js';
import { classesOf } from '../image/class-info.js';
import { camvid, cityscapes, type LabelSet } from '../image/palette.js';
import { renderScene } from '../image/render-scene.js';
import { philox4x32 } from '../nn/philox.js';
import { type Dataset, ignoreLabelFor, type LabelMeaning, type Sample } from './dataset.js';
import { purposes, requireSeed } from './random.js';

/**
 * A data set without a download: streets that are rendered when they are read, with exact labels. Good for tests, for a first
 * training on any machine, and as more pictures beside real ones.
 */

export interface SceneDatasetOptions {
  /** Pictures in `train`; 200 unless told. */
  readonly count?: number | undefined;
  /** Pictures in `val`, none of which is in `train`; a tenth of `count`, at least one, unless told. */
  readonly valCount?: number | undefined;
  /** 480 unless told. */
  readonly width?: number | undefined;
  /** 360 unless told. */
  readonly height?: number | undefined;
  /** An integer from 0 to 2⁵³ − 1, 1 unless told: the same seed gives the same streets on every machine. */
  readonly seed?: number | undefined;
  /** Whose classes the labels are: `cityscapes` (19, the renderer's own) unless told, or `camvid` (11), to be mixed with it. */
  readonly classes?: 'cityscapes' | 'camvid' | undefined;
}

/** The class of CamVid for each of Cityscapes'. */
const camvidNames: Readonly<Record<string, string>> = {
  road: 'road',
  sidewalk: 'sidewalk',
  building: 'building',
  wall: 'fence',
  fence: 'fence',
  pole: 'pole',
  'traffic light': 'sign symbol',
  'traffic sign': 'sign symbol',
  vegetation: 'tree',
  terrain: 'tree',
  sky: 'sky',
  person: 'pedestrian',
  rider: 'bicyclist',
  car: 'car',
  truck: 'car',
  bus: 'car',
  train: 'car',
  motorcycle: 'car',
  bicycle: 'bicyclist',
};

const labelSets = {
  cityscapes: { set: cityscapes, labelOf: undefined },
  camvid: {
    set: camvid,
    labelOf: cityscapes.names.map((name) => camvid.names.indexOf(camvidNames[name] as string)),
  },
} as const satisfies Record<string, { set: LabelSet; labelOf: readonly number[] | undefined }>;

/** @throws OcrnetError INVALID_ARGUMENT */
export function sceneDataset(options: SceneDatasetOptions = {}): Dataset {
  const { count = 200, width = 480, height = 360, seed = 1, classes = 'cityscapes' } = options;
  const { valCount = Math.ceil(count / 10) } = options;
  for (const [name, value] of Object.entries({ count, valCount, width, height })) {
    const most = name.endsWith('ount') ? mostScenes : 16384;
    if (!Number.isSafeInteger(value) || value < 1 || value > most)
      throw invalidArgument(name, `an integer from 1 to ${most}`, value);
  }
  requireSeed(seed);
  const labels = Object.hasOwn(labelSets, classes) ? labelSets[classes] : undefined;
  if (labels === undefined)
    throw invalidArgument('classes', `one of ${Object.keys(labelSets).join(', ')}`, classes);
  const { set, labelOf } = labels;
  const meaning: LabelMeaning = {
    classes: classesOf(set.names, set.palette),
    ignoreLabel: ignoreLabelFor(set.names.length),
    mirrorPairs: [],
  };
  const counts: Readonly<Record<string, number>> = { train: count, val: valCount };
  return {
    ...meaning,
    name: `rendered streets, seed ${seed}`,
    splitNames: async () => Object.keys(counts),
    async split(name) {
      const splits = Object.keys(counts);
      if (!splits.includes(name))
        throw new OcrnetError('FILE_NOT_FOUND', 'Rendered streets have no split of this name', {
          expected: `one of ${splits.join(', ')}`,
          received: name,
        });
      const samples = Array.from({ length: counts[name] as number }, (_, i) =>
        sceneSample({ width, height, seed: sceneSeed(seed, splits.indexOf(name), i) }, name, i, labelOf),
      );
      return { ...meaning, name, samples };
    },
  };
}

const mostScenes = 1_000_000;

/**
 * Scenes of near seeds resemble each other, for the renderer numbers its sources of chance from the seed on: hence a distance
 * of 64. The splits take turns, so that none of their scenes are the same.
 */
function sceneSeed(seed: number, split: number, index: number): number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32)] as const;
  const [first] = philox4x32([0, 0, 0, purposes.scenes], key);
  return 64 * (((first >>> 6) + 2 * index + split) % 2 ** 26);
}

function sceneSample(
  options: { readonly width: number; readonly height: number; readonly seed: number },
  split: string,
  index: number,
  labelOf: readonly number[] | undefined,
): Sample {
  const { width, height } = options;
  const read: Sample['read'] = async () => {
    const { data, labels } = renderScene(options);
    const mapped = labelOf ? labels.map((label) => labelOf[label] as number) : labels;
    return { image: { data, width, height }, label: { labels: mapped, width, height } };
  };
  const name = `${split}-${String(index).padStart(6, '0')}`;
  return { name, read, readLabel: async () => (await read()).label };
}

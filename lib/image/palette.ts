import { invalidArgument } from '../errors.js';

/** Colours of classes: R, G and B of class k at 3k. */
export type Palette = Uint8Array;

/** A data set's classes, by label. */
export interface LabelSet {
  readonly names: readonly string[];
  readonly palette: Palette;
}

function labelSet(colors: Readonly<Record<string, readonly [number, number, number]>>): LabelSet {
  return { names: Object.keys(colors), palette: Uint8Array.from(Object.values(colors).flat()) };
}

/** The 19 classes on which Cityscapes evaluates, by train id, in the colours of its own scripts. */
export const cityscapes: LabelSet = labelSet({
  road: [128, 64, 128],
  sidewalk: [244, 35, 232],
  building: [70, 70, 70],
  wall: [102, 102, 156],
  fence: [190, 153, 153],
  pole: [153, 153, 153],
  'traffic light': [250, 170, 30],
  'traffic sign': [220, 220, 0],
  vegetation: [107, 142, 35],
  terrain: [152, 251, 152],
  sky: [70, 130, 180],
  person: [220, 20, 60],
  rider: [255, 0, 0],
  car: [0, 0, 142],
  truck: [0, 0, 70],
  bus: [0, 60, 100],
  train: [0, 80, 100],
  motorcycle: [0, 0, 230],
  bicycle: [119, 11, 32],
});

/** The 11 classes of CamVid in the order and colours of SegNet's version of it. */
export const camvid: LabelSet = labelSet({
  sky: [128, 128, 128],
  building: [128, 0, 0],
  pole: [192, 192, 128],
  road: [128, 64, 128],
  sidewalk: [60, 40, 222],
  tree: [128, 128, 0],
  'sign symbol': [192, 128, 128],
  fence: [64, 64, 128],
  car: [64, 0, 128],
  pedestrian: [64, 64, 0],
  bicyclist: [0, 128, 192],
});

/**
 * The colour map of PASCAL VOC, for any number of classes: the bits of a label are dealt out to R, G and B in turn, lowest
 * bits to the highest of each colour, so that neighbours differ most. Different for the first 2²⁴ labels.
 */
export function vocPalette(classes: number): Palette {
  if (!Number.isSafeInteger(classes) || classes < 1)
    throw invalidArgument('number of classes', 'a positive integer', classes);
  const palette = new Uint8Array(3 * classes);
  for (let label = 0; label < classes; label++)
    for (let bit = 0; label >> bit !== 0; bit++) {
      const channel = 3 * label + (bit % 3);
      const position = 7 - Math.floor(bit / 3);
      palette[channel] = (palette[channel] as number) | (((label >> bit) & 1) << position);
    }
  return palette;
}

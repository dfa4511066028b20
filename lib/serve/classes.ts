import { camvid, cityscapes, type LabelSet, type Palette, vocPalette } from '../image/palette.js';
import type { ClassInfo } from './model-file.js';

export type { ClassInfo } from './model-file.js';

const knownSets: readonly LabelSet[] = [cityscapes, camvid];

/**
 * Names and colours for a network that does not bring its own: those of Cityscapes for 19 classes, of CamVid for 11, else
 * "class 0", "class 1", … in the colours of PASCAL VOC.
 */
export function defaultClasses(count: number): ClassInfo[] {
  const { names, palette } = knownSets.find((set) => set.names.length === count) ?? {
    names: Array.from({ length: count }, (_, label) => `class ${label}`),
    palette: vocPalette(count),
  };
  return names.map((name, label) => ({
    name,
    colour: [...palette.subarray(3 * label, 3 * label + 3)] as ClassInfo['colour'],
  }));
}

/** The colours of classes, by label. */
export function paletteOf(classes: readonly ClassInfo[]): Palette {
  return Uint8Array.from(classes.flatMap(({ colour }) => colour));
}

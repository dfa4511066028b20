import { type ClassInfo, classesOf } from '../image/class-info.js';
import { camvid, cityscapes, type LabelSet, vocPalette } from '../image/palette.js';

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
  return classesOf(names, palette);
}

import type { DatasetDescription } from '../description.js';
import { numberedClasses } from './numbered.js';

/** Ids from 1 to 182 that occur in no picture; the 171 others are the classes, in order. */
const unused = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91];
const ids = Array.from({ length: 182 }, (_, i) => i + 1).filter((id) => !unused.includes(id));

/** COCO-Stuff by id: 0 is unlabelled. */
export const cocoStuff: DatasetDescription = {
  classes: numberedClasses(ids.length),
  mapping: Object.fromEntries(ids.map((id, label) => [id, label])),
  ignore: [0, ...unused, 255],
};

import type { DatasetDescription } from '../description.js';
import { numberedClasses } from './numbered.js';

/** The 150 classes of ADE20K's scene parsing benchmark, as it is unpacked: labels from 1, 0 is anything else. */
export const ade20k: DatasetDescription = {
  classes: numberedClasses(150),
  firstLabel: 1,
  ignore: 0,
  labels: 'annotations',
};

import type { DatasetDescription } from '../description.js';
import { numberedClasses } from './numbered.js';

/** The 59 classes of PASCAL-Context without background: labels from 1, 0 is background. */
export const pascalContext: DatasetDescription = {
  classes: numberedClasses(59),
  firstLabel: 1,
  ignore: 0,
};

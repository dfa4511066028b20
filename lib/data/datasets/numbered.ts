import { classesOf } from '../../image/class-info.js';
import { vocPalette } from '../../image/palette.js';

/** "class 0", "class 1", …, for data sets whose names are not kept here; `classes:` in dataset.yaml gives them. */
export const numberedClasses = (count: number) =>
  classesOf(
    Array.from({ length: count }, (_, label) => `class ${label}`),
    vocPalette(count),
  );

import { classesOf } from '../../image/class-info.js';
import { camvid as labelSet } from '../../image/palette.js';
import type { DatasetDescription } from '../description.js';

/** CamVid in SegNet's form: 11 classes, 11 is void. 255 marks what rendered pictures in its form ignore. */
export const camvid: DatasetDescription = {
  classes: classesOf(labelSet.names, labelSet.palette),
  ignore: [11, 255],
};

import { classesOf } from '../../image/class-info.js';
import { cityscapes as labelSet } from '../../image/palette.js';
import type { DatasetDescription } from '../description.js';

/** The ids in `*_labelIds.png` of the 19 classes that are evaluated, in the order of their train ids. */
const ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];

/** Cityscapes as it is unpacked, fine annotations by id. */
export const cityscapes: DatasetDescription = {
  classes: classesOf(labelSet.names, labelSet.palette),
  mapping: Object.fromEntries(ids.map((id, trainId) => [id, trainId])),
  unlisted: 'ignore',
  images: 'leftImg8bit',
  labels: 'gtFine',
  imageSuffix: '_leftImg8bit',
  labelSuffix: '_gtFine_labelIds',
};

/** The same with coarse annotations, which there are of 20000 more pictures: the split `train_extra`. */
export const cityscapesCoarse: DatasetDescription = {
  ...cityscapes,
  labels: 'gtCoarse',
  labelSuffix: '_gtCoarse_labelIds',
};

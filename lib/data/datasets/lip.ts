import { classesOf } from '../../image/class-info.js';
import { vocPalette } from '../../image/palette.js';
import type { DatasetDescription } from '../description.js';

const names = [
  ...['background', 'hat', 'hair', 'glove', 'sunglasses', 'upper clothes', 'dress', 'coat', 'socks', 'pants'],
  ...['jumpsuit', 'scarf', 'skirt', 'face', 'left arm', 'right arm', 'left leg', 'right leg'],
  ...['left shoe', 'right shoe'],
];

/** Look Into Person: parts of people, some of which a mirror swaps. */
export const lip: DatasetDescription = {
  classes: classesOf(names, vocPalette(names.length)),
  mirror: [
    ['left arm', 'right arm'],
    ['left leg', 'right leg'],
    ['left shoe', 'right shoe'],
  ],
};

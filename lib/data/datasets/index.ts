import type { DatasetDescription } from '../description.js';
import { ade20k } from './ade20k.js';
import { camvid } from './camvid.js';
import { cityscapes, cityscapesCoarse } from './cityscapes.js';
import { cocoStuff } from './coco-stuff.js';
import { lip } from './lip.js';
import { pascalContext } from './pascal-context.js';

/** The data sets that `extends` and `kind` name. */
export const knownDatasets: Readonly<Record<string, DatasetDescription>> = {
  camvid,
  cityscapes,
  'cityscapes-coarse': cityscapesCoarse,
  ade20k,
  lip,
  'pascal-context': pascalContext,
  'coco-stuff': cocoStuff,
};

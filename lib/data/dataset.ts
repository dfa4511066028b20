import type { ClassInfo } from '../image/class-info.js';
import type { RgbImage } from '../image/decode.js';
import type { LabelImage } from '../image/label-png.js';

/**
 * What everything else in this folder works on. A data set says what its labels mean and has named splits; a split is a list
 * of samples; a sample can be read, from wherever it comes: files (folder-dataset.ts), a renderer (scenes.ts).
 *
 * Labels are always 0 … K − 1 for K classes, or the ignore label: reading maps a file's values to these and fails on any
 * other, so that no code behind it meets a label that is not one.
 */

/** What labels mean; the same for all splits of a data set. */
export interface LabelMeaning {
  /** By label. */
  readonly classes: readonly ClassInfo[];
  /** The label of pixels that are not trained on or judged: 255 up to 255 classes (labels are bytes), above 65535 (words). */
  readonly ignoreLabel: number;
  /** Pairs of classes that become each other in a mirror, such as left and right arm. */
  readonly mirrorPairs: readonly (readonly [number, number])[];
}

export interface Dataset extends LabelMeaning {
  /** The folder, or what it is generated from; for messages. */
  readonly name: string;
  /**
   * The samples of `train`, `val`, …, in the order of their names.
   *
   * @throws OcrnetError FILE_NOT_FOUND for a split that does not exist; INVALID_DATA for one without pictures, a picture
   * without labels, labels without a picture
   */
  split(name: string): Promise<Split>;
  /** The names of all splits. */
  splitNames(): Promise<readonly string[]>;
}

export interface Split extends LabelMeaning {
  readonly name: string;
  readonly samples: readonly Sample[];
}

/** A picture and its labels, not read yet. */
export interface Sample {
  readonly name: string;
  /** Where they lie, for samples that are files. */
  readonly imagePath?: string;
  readonly labelPath?: string;
  /**
   * @throws OcrnetError UNSUPPORTED_IMAGE, FILE_NOT_FOUND, FILE_UNREADABLE for the picture; INVALID_DATA for labels that
   * cannot be decoded, have another size than the picture, or hold a value that is no label
   */
  read(): Promise<LabelledImage>;
  /** The labels alone, for counting; their size is not compared with the picture's. */
  readLabel(): Promise<LabelImage>;
}

/** RGB bytes (height, width, 3) and labels (height, width) of the same size. */
export interface LabelledImage {
  readonly image: RgbImage;
  readonly label: LabelImage;
}

/** Reads one sample; see {@link Sample.read}. */
export const readSample = (sample: Sample): Promise<LabelledImage> => sample.read();

export const ignoreLabelFor = (classes: number): number => (classes <= 255 ? 255 : 65535);

/** Room for labels, in bytes where they fit. */
export const newLabels = (ignoreLabel: number, pixels: number): Uint8Array | Uint16Array =>
  ignoreLabel <= 255 ? new Uint8Array(pixels) : new Uint16Array(pixels);

import { type ClassInfo, paletteOf } from '../image/class-info.js';
import type { RgbImage } from '../image/decode.js';
import { encodeLabelPng } from '../image/label-png.js';
import { type OverlayOptions, overlayLabels } from '../image/overlay.js';

/** Soft object regions: for each class a map over the network's own grid that sums to one. (height, width, K). */
export interface RegionMaps {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

export interface SegmentationParts {
  readonly image: RgbImage;
  readonly classes: readonly ClassInfo[];
  readonly labels: Uint8Array | Uint16Array;
  readonly confidence: Float32Array | undefined;
  readonly regions: RegionMaps | undefined;
  readonly networkMs: number;
}

/** A segmented picture. */
export class Segmentation {
  readonly width: number;
  readonly height: number;
  readonly classes: readonly ClassInfo[];
  /** The class of each pixel, row by row: bytes, or 16-bit words above 256 classes. */
  readonly labels: Uint8Array | Uint16Array;
  /** Probability of each pixel's label, if it was asked for. */
  readonly confidence: Float32Array | undefined;
  /** Soft object regions, if they were asked for. */
  readonly regions: RegionMaps | undefined;
  /** Time of the network alone, without decoding. */
  readonly networkMs: number;
  /** The picture that was segmented, upright and as RGB bytes. */
  readonly image: RgbImage;

  constructor({ image, classes, labels, confidence, regions, networkMs }: SegmentationParts) {
    this.image = image;
    this.width = image.width;
    this.height = image.height;
    this.classes = classes;
    this.labels = labels;
    this.confidence = confidence;
    this.regions = regions;
    this.networkMs = networkMs;
  }

  /** The part of the picture that each class covers; they sum to one. */
  shares(): Float64Array {
    const counts = new Float64Array(this.classes.length);
    for (const label of this.labels) counts[label] = (counts[label] as number) + 1;
    return counts.map((count) => count / this.labels.length);
  }

  /** The picture with the classes' colours laid over it. */
  overlay(options: OverlayOptions = {}): RgbImage {
    return overlayLabels(this.image, this.labels, paletteOf(this.classes), options);
  }

  /** Labels as an indexed PNG in the classes' colours; above 256 classes as 16-bit gray. */
  labelPng(): Promise<Uint8Array> {
    return encodeLabelPng(this, paletteOf(this.classes));
  }
}

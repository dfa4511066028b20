import { invalidArgument, OcrnetError } from '../errors.js';
import { paletteOf } from '../image/class-info.js';
import type { RgbImage } from '../image/decode.js';
import { type HeatMap, heatOverlay, mapOf } from '../image/heat-map.js';
import { changesOverlay, shareOfChanges } from '../image/label-changes.js';
import { markPixel } from '../image/mark-pixel.js';
import { type OverlayOptions, overlayLabels } from '../image/overlay.js';
import { type ContextConfig, hasRegions, readsLabels } from '../models/contexts/index.js';
import { type RegionMaps, Segmentation, type SegmentationParts } from './segmentation.js';

/** What a network has to put out to be explained. */
export const explainedOutputs = ['labels', 'confidence', 'auxiliaryLabels', 'regions', 'relation'] as const;

/** @throws OcrnetError INVALID_ARGUMENT for a network without object regions of its own */
export function requireExplicable(context: ContextConfig): void {
  if (readsLabels(context))
    throw new OcrnetError('INVALID_ARGUMENT', 'This network is told the truth: there is nothing to explain', {
      expected: 'a network that predicts object regions (ocrnet-…)',
      received: context.kind,
    });
  if (!hasRegions(context))
    throw new OcrnetError('INVALID_ARGUMENT', 'This network has no object regions to explain it by', {
      expected: 'a network with object regions (ocrnet-…)',
      received: context.kind,
    });
}

/** A pixel of the picture, from 0. */
export interface PixelPlace {
  readonly x: number;
  readonly y: number;
}

/** Where one pixel gets its context from. */
export interface PixelContext extends PixelPlace {
  readonly label: number;
  readonly labelWithoutContext: number;
  /** (K): how much it takes of each object region; sums to one. */
  readonly relation: Float32Array;
  /** How much it thereby takes of each cell of the network's grid, Σ_k relation_k · region_k; sums to one. */
  readonly context: HeatMap;
}

export interface ExplanationParts extends SegmentationParts {
  readonly confidence: Float32Array;
  readonly regions: RegionMaps;
  /** (height, width, K) as the regions: of each cell to each region; a cell's sum to one. */
  readonly relation: RegionMaps;
  readonly labelsWithoutContext: Uint8Array | Uint16Array;
  /** Of resizes between the grid and the picture. */
  readonly alignCorners: boolean;
  readonly pixel: PixelPlace | undefined;
}

/** What a network with object regions makes of a picture, and what that comes from. Pictures of it are RGB bytes. */
export class Explanation extends Segmentation {
  /** Soft object regions: for each class a map over the network's own grid that sums to one. (height, width, K). */
  declare readonly regions: RegionMaps;
  declare readonly confidence: Float32Array;
  /** Pixel-region relation (height, width, K): how much each cell of the network's grid takes of each region. */
  readonly relation: RegionMaps;
  /** The class of each pixel by the coarse scores alone, before any object context. */
  readonly labelsWithoutContext: Uint8Array | Uint16Array;
  /** The pixel that was chosen, or the one of which the network is surest among those whose label its context changed. */
  readonly pixel: PixelContext;
  readonly #alignCorners: boolean;

  constructor(parts: ExplanationParts) {
    super(parts);
    this.relation = parts.relation;
    this.labelsWithoutContext = parts.labelsWithoutContext;
    this.#alignCorners = parts.alignCorners;
    this.pixel = this.pixelContext(parts.pixel ?? this.#mostChanged());
  }

  /** The part of all pixels whose label context changed. */
  get changedShare(): number {
    return shareOfChanges({ before: this.labelsWithoutContext, after: this.labels });
  }

  /**
   * Where a pixel gets its context from.
   *
   * @throws OcrnetError INVALID_ARGUMENT for a place outside the picture
   */
  pixelContext(place: PixelPlace): PixelContext {
    requireInside(place, this);
    const { x, y } = place;
    const { width, height, data } = this.relation;
    const classes = data.length / (width * height);
    const cell =
      cellUnder(y, this.height, height, this.#alignCorners) * width +
      cellUnder(x, this.width, width, this.#alignCorners);
    const relation = data.slice(cell * classes, (cell + 1) * classes);
    const pixel = y * this.width + x;
    return {
      ...{ x, y, relation },
      label: this.labels[pixel] as number,
      labelWithoutContext: this.labelsWithoutContext[pixel] as number,
      context: mixedRegions(this.regions, relation),
    };
  }

  /** The soft object region of a class as a heat map over the picture. */
  regionOverlay(label: number): Promise<RgbImage> {
    return heatOverlay(this.image, mapOf(this.regions, label));
  }

  /** Where the pixel, which is marked, gets its context from, as a heat map over the picture. */
  async contextOverlay({ context, ...place }: PixelContext = this.pixel): Promise<RgbImage> {
    return markPixel(await heatOverlay(this.image, context), place);
  }

  /** The picture with the colours of the classes that it would have without context. */
  overlayWithoutContext(options: OverlayOptions = {}): RgbImage {
    return overlayLabels(this.image, this.labelsWithoutContext, paletteOf(this.classes), options);
  }

  /** The picture in gray, with the classes' colours where context changed the label. */
  changesOverlay(): RgbImage {
    const changes = { before: this.labelsWithoutContext, after: this.labels };
    return changesOverlay(this.image, changes, paletteOf(this.classes));
  }

  /** What reports show of it, with the picture's truth if there is one: one of `ReportData.examples`. */
  example(name: string, truth?: Uint8Array | Uint16Array) {
    const { image, labels: prediction, labelsWithoutContext, regions, pixel } = this;
    return { name, image, ...(truth && { truth }), prediction, labelsWithoutContext, regions, pixel };
  }

  #mostChanged(): PixelPlace {
    let [best, surest] = [-1, -1];
    for (let i = 0; i < this.labels.length; i++) {
      const confidence = this.confidence[i] as number;
      if (confidence > surest && this.labels[i] !== this.labelsWithoutContext[i])
        [best, surest] = [i, confidence];
    }
    if (best < 0) return { x: this.width >> 1, y: this.height >> 1 };
    return { x: best % this.width, y: Math.floor(best / this.width) };
  }
}

/** @throws OcrnetError INVALID_ARGUMENT for a place outside a picture of this size */
export function requireInside(
  { x, y }: PixelPlace,
  { width, height }: { width: number; height: number },
): void {
  const inside = (value: number, size: number) => Number.isInteger(value) && value >= 0 && value < size;
  if (!inside(x, width) || !inside(y, height))
    throw invalidArgument('pixel', `x from 0 to ${width - 1} and y from 0 to ${height - 1}`, `${x},${y}`);
}

/** The cell of a grid that a bilinear resize to `size` puts nearest to a pixel. */
function cellUnder(pixel: number, size: number, cells: number, alignCorners: boolean): number {
  const at = alignCorners
    ? (pixel * (cells - 1)) / Math.max(1, size - 1)
    : ((pixel + 0.5) * cells) / size - 0.5;
  return Math.min(cells - 1, Math.max(0, Math.round(at)));
}

function mixedRegions({ data, width, height }: RegionMaps, relation: Float32Array): HeatMap {
  const classes = relation.length;
  const context = new Float32Array(width * height);
  for (let cell = 0; cell < context.length; cell++)
    for (let k = 0; k < classes; k++)
      context[cell] =
        (context[cell] as number) + (relation[k] as number) * (data[cell * classes + k] as number);
  return { data: context, width, height };
}

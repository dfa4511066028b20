import type { Labels } from '../evaluate/confusion.js';
import type { Metrics } from '../evaluate/metrics.js';
import type { ClassInfo } from '../image/class-info.js';
import type { RgbImage } from '../image/decode.js';
import type { HeatMap } from '../image/heat-map.js';
import type { TrainingEvent } from '../logging/events.js';

/** What a report shows of one picture. */
export interface ReportExample {
  readonly name: string;
  readonly image: RgbImage;
  /** (height, width) of the picture; labels that are no class leave it as it is. */
  readonly truth?: Labels;
  readonly prediction: Labels;
  /** Soft object regions, (height, width, K) at the network's own size. */
  readonly regions?: HeatMap;
  /** What the coarse scores alone predict, before any object context. */
  readonly labelsWithoutContext?: Labels;
  /** One pixel and where its context comes from; see `PixelContext`. */
  readonly pixel?: {
    readonly x: number;
    readonly y: number;
    readonly label: number;
    readonly labelWithoutContext: number;
    /** (K): what it takes of each region. */
    readonly relation: Float32Array;
    readonly context: HeatMap;
  };
  /** Labels of the regions to show; by default the three that cover most of the prediction. */
  readonly regionClasses?: readonly number[];
}

/** All that a report says; plain data. Parts that are absent or empty are left out. */
export interface ReportData {
  readonly title: string;
  readonly model: string;
  readonly data: string;
  /** As people read it; lines are kept. */
  readonly recipe?: string;
  /** By label. */
  readonly classes: readonly ClassInfo[];
  /** Of the training, as its log holds them. */
  readonly events?: readonly TrainingEvent[];
  /** The final one: metrics, and with them the confusion matrix (K, K), rows truth, in pixels. */
  readonly evaluation?: Metrics & { readonly confusion: Float64Array; readonly pictures: number };
  readonly examples?: readonly ReportExample[];
}

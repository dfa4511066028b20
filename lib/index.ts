/**
 * Semantic segmentation with object-contextual representations: {@link loadModel} for whole networks, {@link ops} for
 * single operations, {@link openDevice} for programs of one's own. Nothing native happens on import.
 *
 * @packageDocumentation
 */

export type { Precision } from './compile/passes/assign-precision.js';
export { type ErrorCode, OcrnetError } from './errors.js';
export type { ClassInfo } from './image/class-info.js';
export type { ImageInput, RawImage, RgbImage } from './image/decode.js';
export type { OverlayOptions } from './image/overlay.js';
export type { OcrForm } from './models/contexts/ocr.js';
export { modelConfig, modelNames, type NamedModelOptions } from './models/registry.js';
export {
  buildSegmenter,
  type SegmenterConfig,
  type SegmenterOptions,
  type SegmenterOutput,
} from './models/segmenter.js';
export {
  Device,
  type DeviceName,
  type DeviceOptions,
  describeMachine,
  openDevice,
} from './runtime/device.js';
export { type OperationOptions, ops, type Tensor } from './runtime/operations.js';
export type { Program, RunOptions, RunResult, TensorData } from './runtime/program.js';
export { defaultClasses } from './serve/classes.js';
export { defaultModelFile } from './serve/default-model.js';
export { type LoadModelOptions, loadModel } from './serve/load-model.js';
export { Model, type SegmentOptions } from './serve/model.js';
export { type RegionMaps, Segmentation } from './serve/segmentation.js';
export { type StageSummary, type Summary, type SummaryOptions, summarise } from './serve/summary.js';
export { version } from './version.js';

/**
 * Semantic segmentation with object-contextual representations: {@link loadModel} for whole networks, {@link ops} for
 * single operations, {@link openDevice} for programs of one's own, {@link openDataset} and {@link Loader} for labelled
 * pictures, {@link Trainer} for training. Nothing native happens on import.
 *
 * @packageDocumentation
 */

export type { Precision } from './compile/passes/assign-precision.js';
export { type AugmentOptions, paperAugmentation } from './data/augment/augment.js';
export type { JitterOptions } from './data/augment/jitter.js';
export type { BaseSize, ScaleOptions } from './data/augment/scale.js';
export {
  checkSplit,
  type ReadingOptions,
  type ReadSample,
  readSamples,
  type SplitReport,
} from './data/check-split.js';
export {
  type ClassWeightOptions,
  classWeights,
  type WeightMethod,
  weightMethods,
  weightsOf,
} from './data/class-weights.js';
export {
  type Dataset,
  type LabelledImage,
  type LabelMeaning,
  readSample,
  type Sample,
  type Split,
} from './data/dataset.js';
export { type DatasetOptions, openDataset } from './data/folder-dataset.js';
export { countLabels, type LabelCounts } from './data/label-counts.js';
export { type Batch, Loader, type LoaderOptions } from './data/loader.js';
export { type Mixture, type MixturePart, mix } from './data/mix.js';
export { type SceneDatasetOptions, sceneDataset } from './data/scenes.js';
export { writeDataset } from './data/write-dataset.js';
export { type ErrorCode, OcrnetError } from './errors.js';
export { ConfusionMatrix, type ConfusionOptions } from './evaluate/confusion.js';
export type { EvaluateOptions, Evaluation, LabelledPictures } from './evaluate/evaluate.js';
export type { AbsentClasses, ClassMetrics, Metrics } from './evaluate/metrics.js';
export { metricsOf } from './evaluate/metrics.js';
export type { ScoreMerge, TestOptions } from './evaluate/multi-scale.js';
export type { ClassInfo } from './image/class-info.js';
export type { ImageInput, RawImage, RgbImage } from './image/decode.js';
export type { HeatMap } from './image/heat-map.js';
export type { LabelImage } from './image/label-png.js';
export type { OverlayOptions } from './image/overlay.js';
export {
  combineLoggers,
  type EventOf,
  effectiveEvents,
  type PictureEvent,
  type RecordedEvent,
  type TrainingEvent,
  type TrainingLogger,
} from './logging/events.js';
export { type JsonLinesOptions, jsonLinesLogger, readJsonLines } from './logging/json-lines.js';
export { TrainingProgress, type TrainingProgressOptions } from './logging/progress.js';
export { tensorBoardLogger } from './logging/tensorboard.js';
export { type ContextSizes, contextConfig } from './models/contexts/defaults.js';
export { type ContextConfig, type ContextKind, contextKinds } from './models/contexts/index.js';
export type { OcrForm } from './models/contexts/object-context.js';
export { modelConfig, modelNames, type NamedModelOptions } from './models/registry.js';
export {
  buildSegmenter,
  type SegmenterConfig,
  type SegmenterOptions,
  type SegmenterOutput,
} from './models/segmenter.js';
export {
  type AdamWOptions,
  adamW,
  chain,
  clipByGlobalNorm,
  constant,
  type MovingAverageOptions,
  movingAverage,
  poly,
  type Schedule,
  type SgdOptions,
  sgd,
  type Transform,
  warmUp,
} from './optim/index.js';
export { type ExplanationPage, renderExplanation } from './report/explanation-page.js';
export type { ReportData, ReportExample } from './report/report-data.js';
export { renderReport, writeReport } from './report/write-report.js';
export {
  Device,
  type DeviceName,
  type DeviceOptions,
  describeMachine,
  openDevice,
} from './runtime/device.js';
export { DeviceGroup } from './runtime/group.js';
export { type OperationOptions, ops, type Tensor } from './runtime/operations.js';
export type { Program, RunOptions, RunResult, TensorData } from './runtime/program.js';
export { RunChain } from './runtime/run-chain.js';
export { defaultClasses } from './serve/classes.js';
export { defaultModelFile } from './serve/default-model.js';
export { evaluateModel } from './serve/evaluate-model.js';
export { Explanation, type PixelContext, type PixelPlace } from './serve/explanation.js';
export { type LoadModelOptions, loadModel } from './serve/load-model.js';
export { type ExplainOptions, Model, type SegmentOptions } from './serve/model.js';
export { type RegionMaps, Segmentation } from './serve/segmentation.js';
export { type StageSummary, type Summary, type SummaryOptions, summarise } from './serve/summary.js';
export type { Terminal } from './terminal/terminal.js';
export { type AblationOptions, type AblationTable, ablationNames, runAblation } from './train/ablation.js';
export { loadRecipe, type Recipe, type RecipeOptions, recipeText } from './train/recipe.js';
export { openRecipeDataset } from './train/recipe-data.js';
export { recipeNames } from './train/recipe-file.js';
export { Trainer, type TrainerOptions } from './train/trainer.js';
export {
  type TrainingBatch,
  TrainingProgram,
  type TrainingProgramOptions,
  type TrainingResult,
} from './train/training-program.js';
export { version } from './version.js';

import { type SafetensorsWriteType, writeSafetensors } from '../checkpoint/safetensors.js';
import { checkpointTensors, type ReadParameter } from '../checkpoint/weights.js';
import type { Precision } from '../compile/passes/assign-precision.js';
import { OcrnetError } from '../errors.js';
import { writeOnnx } from '../export/onnx/index.js';
import type { ClassInfo } from '../image/class-info.js';
import { decodeImage, type ImageInput, type RgbImage } from '../image/decode.js';
import {
  buildSegmenter,
  parameterGraph,
  type SegmenterConfig,
  type SegmenterOptions,
  type SegmenterOutput,
} from '../models/segmenter.js';
import type { Device } from '../runtime/device.js';
import type { Program, RunResult } from '../runtime/program.js';
import { ProgramCache } from '../runtime/program-cache.js';
import type { Weights } from '../runtime/weights.js';
import { version } from '../version.js';
import { defaultClasses } from './classes.js';
import {
  Explanation,
  explainedOutputs,
  type PixelPlace,
  requireExplicable,
  requireInside,
} from './explanation.js';
import { describeModel } from './model-file.js';
import { type RegionMaps, Segmentation } from './segmentation.js';
import { type Summary, summarise } from './summary.js';
import { uploadWeights } from './upload-weights.js';

export interface SegmentOptions {
  /** Also the probability of each pixel's label. */
  readonly confidence?: boolean;
  /** Also the soft object regions, for networks that have them: one map a class. */
  readonly regions?: boolean;
  /** Pictures with more pixels are refused. */
  readonly maxPixels?: number;
  /** Stops between two steps of the network. */
  readonly signal?: AbortSignal;
}

export interface ExplainOptions {
  /** Of which to tell where its context comes from; by default one whose label context changed. */
  readonly pixel?: PixelPlace;
  /** Pictures with more pixels are refused. */
  readonly maxPixels?: number;
  /** Stops between two steps of the network. */
  readonly signal?: AbortSignal;
}

/** What {@link loadModel} hands over. */
export interface ModelParts {
  readonly config: SegmenterConfig;
  readonly classes?: readonly ClassInfo[] | undefined;
  readonly device: Device;
  /** Whether the device goes when the model does. */
  readonly ownsDevice: boolean;
  readonly weights: Weights;
  /** The weights as they were loaded: from the file, grown from a seed, or from memory. */
  readonly read: ReadParameter;
  /** What they are read from, if it is a file: open as long as the model lives, since plans for some sizes want more of them. */
  readonly file?: Disposable;
  readonly precision: Precision;
}

/** Input sizes whose plans are kept ready. */
const mostPrograms = 4;

/** A network with its weights on a device. Made by {@link loadModel}. */
export class Model implements AsyncDisposable {
  readonly config: SegmenterConfig;
  /** Names and colours of the classes, by label. */
  readonly classes: readonly ClassInfo[];
  readonly precision: Precision;
  readonly device: Device;
  readonly #parts: ModelParts;
  readonly #programs = new ProgramCache(mostPrograms);
  #disposed = false;

  constructor(parts: ModelParts) {
    this.#parts = parts;
    this.config = parts.config;
    this.classes = parts.classes ?? defaultClasses(parts.config.classes);
    this.precision = parts.precision;
    this.device = parts.device;
  }

  /**
   * Finds the class of every pixel of a picture, at the picture's own size.
   *
   * @param image - a path, an encoded picture, a sharp instance, or raw pixels
   * @throws OcrnetError FILE_NOT_FOUND, UNSUPPORTED_IMAGE, IMAGE_TOO_LARGE, OUT_OF_MEMORY, ABORTED, DISPOSED
   */
  async segment(image: ImageInput, options: SegmentOptions = {}): Promise<Segmentation> {
    this.#requireAlive();
    const { confidence = false, regions = false, maxPixels, signal } = options;
    const picture = await decodeImage(image, maxPixels === undefined ? {} : { maxPixels });
    const outputs: SegmenterOutput[] = ['labels'];
    if (confidence) outputs.push('confidence');
    if (regions) outputs.push('regions');
    return await this.#run(picture, outputs, signal, ({ outputs, elapsedMs }, mapOf) => {
      return new Segmentation({
        image: picture,
        classes: this.classes,
        labels: outputs.labels as Uint8Array | Uint16Array,
        confidence: outputs.confidence as Float32Array | undefined,
        regions: regions ? mapOf('regions') : undefined,
        networkMs: elapsedMs,
      });
    });
  }

  /**
   * Segments a picture and tells what that comes from: the object regions, the relation of its pixels to them, and what the
   * labels would be without object context.
   *
   * @throws OcrnetError INVALID_ARGUMENT for a network without object regions, and for a pixel outside the picture; as segment
   */
  async explain(image: ImageInput, { pixel, maxPixels, signal }: ExplainOptions = {}): Promise<Explanation> {
    this.#requireAlive();
    requireExplicable(this.config.context);
    const picture = await decodeImage(image, maxPixels === undefined ? {} : { maxPixels });
    if (pixel) requireInside(pixel, picture);
    return await this.#run(picture, explainedOutputs, signal, ({ outputs, elapsedMs }, mapOf) => {
      return new Explanation({
        image: picture,
        classes: this.classes,
        labels: outputs.labels as Uint8Array | Uint16Array,
        confidence: outputs.confidence as Float32Array,
        labelsWithoutContext: outputs.auxiliaryLabels as Uint8Array | Uint16Array,
        regions: mapOf('regions'),
        relation: mapOf('relation'),
        alignCorners: this.config.alignCorners,
        pixel,
        networkMs: elapsedMs,
      });
    });
  }

  /**
   * Compiles the network for one input size. The program's input "image" is RGB bytes (N, H, W, 3); its outputs are those
   * asked for. The caller disposes it.
   */
  async compile(options: SegmenterOptions): Promise<Program> {
    this.#requireAlive();
    const compiled = this.device.compile(buildSegmenter(this.config, options), { precision: this.precision });
    uploadWeights(compiled.graph, this.#parts.read, this.#parts.weights);
    return await this.device.load(compiled, this.#parts.weights);
  }

  /** Parameters, operations and memory at one input size, on this model's device. */
  summary({ batch = 1, height, width }: { batch?: number; height: number; width: number }): Summary {
    const graph = buildSegmenter(this.config, { batch, height, width, outputs: ['labels'] });
    return summarise(graph, { target: this.device.target, precision: this.precision });
  }

  /** Writes a weights file that {@link loadModel} takes as it is: safetensors, names as in PyTorch, configuration inside. */
  async save(path: string, options: { dataType?: SafetensorsWriteType } = {}): Promise<void> {
    this.#requireAlive();
    const { config, classes, read } = this.#parts;
    const tensors = checkpointTensors(parameterGraph(config), read);
    await writeSafetensors(path, tensors, describeModel({ config, classes }), options);
  }

  /** Writes the network with its weights as ONNX, from picture bytes to class scores, for one input size. */
  async exportOnnx(path: string, size: { batch?: number; height: number; width: number }): Promise<void> {
    this.#requireAlive();
    const graph = buildSegmenter(this.config, { batch: 1, ...size, outputs: ['logits'] });
    await writeOnnx(path, graph, this.#parts.read, { producerVersion: version });
  }

  /** Frees the weights and the plans, and the device if it was opened for this model. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#programs.clear();
    this.#parts.weights.dispose();
    this.#parts.file?.[Symbol.dispose]();
    if (this.#parts.ownsDevice) await this.device.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Runs the program for a picture of this size. */
  async #run<T>(
    { data, height, width }: RgbImage,
    outputs: readonly SegmenterOutput[],
    signal: AbortSignal | undefined,
    use: (result: RunResult, mapOf: (output: SegmenterOutput) => RegionMaps) => T,
  ): Promise<T> {
    this.#requireAlive();
    const size = { batch: 1, height, width, outputs };
    return await this.#programs.use(
      JSON.stringify(size),
      () => this.compile(size),
      async (program) => {
        const result = await program.run({ image: data }, { signal });
        return use(result, (output) => {
          const [, height = 0, width = 0] = program.outputShape(output) ?? [];
          return { data: result.outputs[output] as Float32Array, height, width };
        });
      },
    );
  }

  #requireAlive(): void {
    if (this.#disposed) throw new OcrnetError('DISPOSED', 'The model was disposed');
  }
}

import { type SafetensorsWriteType, writeSafetensors } from '../checkpoint/safetensors.js';
import { checkpointTensors, type ReadParameter } from '../checkpoint/weights.js';
import type { Precision } from '../compile/passes/assign-precision.js';
import { OcrnetError } from '../errors.js';
import { writeOnnx } from '../export/onnx/index.js';
import type { ClassInfo } from '../image/class-info.js';
import { decodeImage, type ImageInput } from '../image/decode.js';
import {
  buildSegmenter,
  parameterGraph,
  type SegmenterConfig,
  type SegmenterOptions,
} from '../models/segmenter.js';
import type { Device } from '../runtime/device.js';
import type { Program } from '../runtime/program.js';
import { ProgramCache } from '../runtime/program-cache.js';
import type { Weights } from '../runtime/weights.js';
import { version } from '../version.js';
import { defaultClasses } from './classes.js';
import { describeModel } from './model-file.js';
import { Segmentation } from './segmentation.js';
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
    this.#requireAlive();
    const { height, width } = picture;
    const outputs = [
      'labels',
      ...(confidence ? ['confidence'] : []),
      ...(regions ? ['regions'] : []),
    ] as const;
    const size = { batch: 1, height, width, outputs } as SegmenterOptions;
    return await this.#programs.use(
      JSON.stringify(size),
      () => this.compile(size),
      async (program) => {
        const result = await program.run({ image: picture.data }, { signal });
        const [, regionHeight = 0, regionWidth = 0] = program.outputShape('regions') ?? [];
        return new Segmentation({
          image: picture,
          classes: this.classes,
          labels: result.outputs.labels as Uint8Array | Uint16Array,
          confidence: result.outputs.confidence as Float32Array | undefined,
          regions: regions
            ? { data: result.outputs.regions as Float32Array, height: regionHeight, width: regionWidth }
            : undefined,
          networkMs: result.elapsedMs,
        });
      },
    );
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

  #requireAlive(): void {
    if (this.#disposed) throw new OcrnetError('DISPOSED', 'The model was disposed');
  }
}

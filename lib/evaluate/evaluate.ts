import { invalidArgument, OcrnetError } from '../errors.js';
import type { RgbImage } from '../image/decode.js';
import { ConfusionMatrix, type Labels } from './confusion.js';
import { type AbsentClasses, type Metrics, metricsOf } from './metrics.js';
import { checkTestOptions, predict, type ScoringNetwork, type TestOptions } from './multi-scale.js';

/** A picture with the true class of each of its pixels. */
export interface LabelledPicture {
  /** For errors and progress. */
  readonly name: string;
  /** Upright RGB bytes, (height, width, 3). */
  readonly image: RgbImage;
  /** (height, width): classes, or labels that are ignored. */
  readonly labels: Labels;
}

/** Pictures that are read one by one, when their turn comes. */
export interface LabelledPictures {
  readonly length: number;
  read(index: number): Promise<LabelledPicture>;
}

export interface EvaluateOptions extends TestOptions {
  /** True labels that count nowhere; by default 255. */
  readonly ignoreLabels?: readonly number[];
  /** By default `mean`. */
  readonly absent?: AbsentClasses;
  /** Ends the evaluation between two steps of the network. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each picture. */
  readonly onProgress?: (done: number, total: number, name: string) => void;
}

export interface Evaluation extends Metrics {
  /** How many there were. */
  readonly pictures: number;
  /** (K, K), rows truth, columns prediction, in pixels. */
  readonly confusion: Float64Array;
  readonly elapsedMs: number;
}

/**
 * Measures a network on labelled pictures, each at its own size, in one confusion matrix. While one picture is in the network
 * the next is read.
 *
 * @param classNames - by label
 * @throws OcrnetError INVALID_ARGUMENT for impossible options, labels that do not match their picture, or nothing to count;
 * ABORTED
 */
export async function evaluate(
  network: ScoringNetwork,
  pictures: LabelledPictures,
  classNames: readonly string[],
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { ignoreLabels = [255], absent = 'mean', signal, onProgress } = options;
  checkTestOptions(options);
  if (pictures.length === 0) throw invalidArgument('pictures', 'at least one', []);
  const startMs = performance.now();
  const confusion = new ConfusionMatrix(network.classes, { ignoreLabels });
  let done = 0;
  for await (const { name, image, labels } of readAhead(pictures)) {
    if (signal?.aborted)
      throw new OcrnetError('ABORTED', 'The evaluation was aborted', { cause: signal.reason });
    if (labels.length !== image.width * image.height)
      throw new OcrnetError('INVALID_ARGUMENT', `The labels of ${name} do not fill the picture`, {
        expected: `${image.width}×${image.height} labels`,
        received: `${labels.length}`,
      });
    confusion.add(labels, await predict(network, image, options, signal), name);
    onProgress?.(++done, pictures.length, name);
  }
  return {
    ...metricsOf(confusion, classNames, { absent }),
    pictures: pictures.length,
    confusion: confusion.counts,
    elapsedMs: performance.now() - startMs,
  };
}

async function* readAhead(pictures: LabelledPictures): AsyncGenerator<LabelledPicture> {
  const read = (index: number): Promise<LabelledPicture> | undefined => {
    const reading = index < pictures.length ? pictures.read(index) : undefined;
    // Its error is thrown when its turn comes, if it comes.
    reading?.catch(() => {});
    return reading;
  };
  let next = read(0);
  for (let index = 1; next !== undefined; index++) {
    const picture = await next;
    next = read(index);
    yield picture;
  }
}

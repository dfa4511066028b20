import { invalidArgument, OcrnetError } from '../errors.js';
import type { RgbImage } from '../image/decode.js';
import type { LabelImage } from '../image/label-png.js';
import { ConfusionMatrix } from './confusion.js';
import { type AbsentClasses, type Metrics, metricsOf } from './metrics.js';
import { checkTestOptions, predict, type ScoringNetwork, type TestOptions } from './multi-scale.js';

/** What is evaluated on; a split of a data set is one. Samples are read one by one, when their turn comes. */
export interface LabelledPictures {
  /** By label. */
  readonly classes: readonly { readonly name: string }[];
  /** The label that counts nowhere. */
  readonly ignoreLabel: number;
  readonly samples: readonly {
    readonly name: string;
    /** The picture and the class of each of its pixels, of the same size. */
    read(): Promise<{ readonly image: RgbImage; readonly label: LabelImage }>;
  }[];
}

export interface EvaluateOptions extends TestOptions {
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
 * @throws OcrnetError INVALID_ARGUMENT for impossible options, another number of classes than the network's, labels that do
 * not match their picture, or nothing to count; what reading throws; ABORTED
 */
export async function evaluate(
  network: ScoringNetwork,
  { classes, ignoreLabel, samples }: LabelledPictures,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { absent = 'mean', signal, onProgress } = options;
  checkTestOptions(options);
  if (classes.length !== network.classes)
    throw new OcrnetError('INVALID_ARGUMENT', 'The network does not fit the data', {
      expected: `${classes.length} classes, as the data has`,
      received: `${network.classes}`,
    });
  if (samples.length === 0) throw invalidArgument('pictures', 'at least one', []);
  const startMs = performance.now();
  const confusion = new ConfusionMatrix(network.classes, { ignoreLabels: [ignoreLabel] });
  for await (const { name, image, label, index } of readAhead(samples)) {
    if (signal?.aborted)
      throw new OcrnetError('ABORTED', 'The evaluation was aborted', { cause: signal.reason });
    confusion.add(label.labels, await predict(network, image, options, signal, label.labels), name);
    onProgress?.(index + 1, samples.length, name);
  }
  return {
    ...metricsOf(
      confusion,
      classes.map(({ name }) => name),
      { absent },
    ),
    pictures: samples.length,
    confusion: confusion.counts,
    elapsedMs: performance.now() - startMs,
  };
}

async function* readAhead(samples: LabelledPictures['samples']) {
  const read = (index: number) => {
    const reading = samples[index]?.read();
    // Its error is thrown when its turn comes, if it comes.
    reading?.catch(() => {});
    return reading;
  };
  let next = read(0);
  for (const [index, { name }] of samples.entries()) {
    const picture = await next;
    if (!picture) return;
    next = read(index + 1);
    yield { name, index, ...picture };
  }
}

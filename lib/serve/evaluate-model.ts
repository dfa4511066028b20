import { invalidArgument } from '../errors.js';
import {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type LabelledPictures,
} from '../evaluate/evaluate.js';
import { ScoringPrograms } from '../runtime/scoring-programs.js';
import type { Model } from './model.js';

export interface EvaluateModelOptions extends EvaluateOptions {
  /** Names of the classes, by label; by default those of the model. */
  readonly classNames?: readonly string[];
}

/**
 * Measures a model on labelled pictures: mIoU, pixel accuracy and all that follows from one confusion matrix over all pixels,
 * each picture at its own size.
 *
 * @example
 * const { miou } = await evaluateModel(model, pictures, { flip: true, scales: [0.75, 1, 1.25] });
 * @throws OcrnetError INVALID_ARGUMENT where classes or labels do not match; what `pictures.read` throws; ABORTED, DISPOSED,
 * OUT_OF_MEMORY
 */
export async function evaluateModel(
  model: Pick<Model, 'config' | 'classes' | 'device' | 'compile'>,
  pictures: LabelledPictures,
  { classNames = model.classes.map(({ name }) => name), ...options }: EvaluateModelOptions = {},
): Promise<Evaluation> {
  const { classes, alignCorners } = model.config;
  if (classNames.length !== classes)
    throw invalidArgument('classes of the data', `the network's ${classes}`, classNames.length);
  using network = new ScoringPrograms({
    device: model.device,
    classes,
    alignCorners,
    compile: (size, output) => model.compile({ batch: 1, ...size, outputs: [output] }),
  });
  return await evaluate(network, pictures, classNames, options);
}

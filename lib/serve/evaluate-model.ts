import {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type LabelledPictures,
} from '../evaluate/evaluate.js';
import { ScoringPrograms } from '../runtime/scoring-programs.js';
import type { Model } from './model.js';

/**
 * Measures a model on labelled pictures, such as a split of a data set: mIoU, pixel accuracy and all that follows from one
 * confusion matrix over all pixels, each picture at its own size.
 *
 * @example
 * const split = await (await openDataset('camvid')).split('val');
 * const { miou } = await evaluateModel(model, split, { flip: true, scales: [0.75, 1, 1.25] });
 * @throws OcrnetError INVALID_ARGUMENT where classes, labels or options do not match; what reading throws; ABORTED, DISPOSED,
 * OUT_OF_MEMORY
 */
export async function evaluateModel(
  model: Pick<Model, 'config' | 'device' | 'compile'>,
  pictures: LabelledPictures,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { classes, alignCorners } = model.config;
  using network = new ScoringPrograms({
    device: model.device,
    classes,
    alignCorners,
    compile: (size, output) => model.compile({ batch: 1, ...size, outputs: [output] }),
  });
  return await evaluate(network, pictures, options);
}

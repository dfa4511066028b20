import { invalidArgument, OcrnetError } from '../errors.js';
import type { ConfusionMatrix } from './confusion.js';

/**
 * What a class that does not occur does to the means: `mean` leaves it out, as openseg does; `zero` counts it as 0, as
 * hrnet-ocr does. They differ only where a class occurs neither in the labels nor in the predictions.
 */
export type AbsentClasses = (typeof absentClasses)[number];
export const absentClasses = ['mean', 'zero'] as const;

export interface ClassMetrics {
  readonly name: string;
  /** TP / (TP + FP + FN), 0 to 1; null where the class occurs neither in the labels nor in the predictions. */
  readonly iou: number | null;
  /** TP / (TP + FN), 0 to 1; null where no pixel is labelled with the class. */
  readonly accuracy: number | null;
  /** Labelled with this class. */
  readonly pixels: number;
}

/** All from 0 to 1. */
export interface Metrics {
  /** Mean of the classes' intersection over union. */
  readonly miou: number;
  /** Part of all counted pixels that are right. */
  readonly pixelAccuracy: number;
  /** Mean of the classes' accuracies. */
  readonly meanAccuracy: number;
  readonly perClass: readonly ClassMetrics[];
}

/**
 * The usual measures of semantic segmentation.
 *
 * @param names - of the classes, by label
 * @throws OcrnetError INVALID_ARGUMENT where names are missing or nothing was counted
 */
export function metricsOf(
  { classes, counts }: Pick<ConfusionMatrix, 'classes' | 'counts'>,
  names: readonly string[],
  { absent = 'mean' }: { readonly absent?: AbsentClasses | undefined } = {},
): Metrics {
  if (!absentClasses.includes(absent)) throw invalidArgument('absent', absentClasses.join(' or '), absent);
  if (names.length !== classes) throw invalidArgument('class names', `${classes} of them`, names);
  const predicted = new Float64Array(classes);
  const labelled = new Float64Array(classes);
  for (let truth = 0; truth < classes; truth++)
    for (let prediction = 0; prediction < classes; prediction++) {
      const count = counts[truth * classes + prediction] as number;
      labelled[truth] = (labelled[truth] as number) + count;
      predicted[prediction] = (predicted[prediction] as number) + count;
    }
  const pixels = sum(labelled);
  if (pixels === 0)
    throw new OcrnetError('INVALID_ARGUMENT', 'There is nothing to measure', {
      expected: 'at least one pixel whose label is not ignored',
      received: 'none',
    });
  const right = Float64Array.from({ length: classes }, (_, label) => counts[label * (classes + 1)] as number);
  const ratio = (part: number, whole: number): number | null =>
    whole > 0 ? part / whole : absent === 'zero' ? 0 : null;
  const perClass = names.map((name, label) => {
    const [hits, truths, guesses] = [right, labelled, predicted].map((values) => values[label] as number) as [
      number,
      number,
      number,
    ];
    return {
      name,
      iou: ratio(hits, truths + guesses - hits),
      accuracy: ratio(hits, truths),
      pixels: truths,
    };
  });
  return {
    miou: meanOf(perClass.map(({ iou }) => iou)),
    pixelAccuracy: sum(right) / pixels,
    meanAccuracy: meanOf(perClass.map(({ accuracy }) => accuracy)),
    perClass,
  };
}

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

function meanOf(values: readonly (number | null)[]): number {
  const present = values.filter((value) => value !== null);
  return sum(present) / present.length;
}

import { invalidArgument, OcrnetError } from '../errors.js';
import type { LabelMeaning, Split } from './dataset.js';

export interface MixturePart {
  readonly split: Split;
  /** Its share of all samples is its weight over the sum of weights. */
  readonly weight: number;
}

/** Several splits for one loader. */
export interface Mixture extends LabelMeaning {
  readonly parts: readonly MixturePart[];
}

/**
 * Splits whose samples take turns in given shares, for example three of real streets to one that is rendered. Each part goes
 * through its own epochs. All parts need the same classes, in the same order, and the same mirror pairs.
 *
 * @throws OcrnetError INVALID_ARGUMENT for weights that are none, or parts whose classes differ
 */
export function mix(parts: readonly MixturePart[]): Mixture {
  const [first] = parts;
  if (first === undefined) throw invalidArgument('parts', 'at least one', parts);
  const heaviest = Math.max(...parts.map(({ weight }) => weight));
  for (const { split, weight } of parts) {
    // The shares are kept as whole numbers of millionths.
    if (!(weight > 0 && Number.isFinite(weight) && weight >= heaviest / 1e4))
      throw invalidArgument('weight', 'a number above 0, at least a 10000th of the largest', weight);
    requireSameMeaning(first.split, split);
  }
  const { classes, ignoreLabel, mirrorPairs } = first.split;
  return { parts, classes, ignoreLabel, mirrorPairs };
}

function requireSameMeaning(a: LabelMeaning, b: LabelMeaning): void {
  const names = ({ classes }: LabelMeaning) => classes.map(({ name }) => name).join(', ');
  const pairs = ({ mirrorPairs }: LabelMeaning) => mirrorPairs.map((pair) => pair.join('↔')).join(', ');
  for (const [what, describe] of [
    ['classes', names],
    ['mirror pairs', pairs],
  ] as const)
    if (describe(a) !== describe(b))
      throw new OcrnetError('INVALID_ARGUMENT', `The splits of a mixture have different ${what}`, {
        expected: describe(a) || 'none',
        received: describe(b) || 'none',
      });
}

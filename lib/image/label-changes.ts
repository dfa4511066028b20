import { OcrnetError } from '../errors.js';
import type { RgbImage } from './decode.js';
import { dimmedGray } from './heat-map.js';
import type { Palette } from './palette.js';

type Labels = Uint8Array | Uint16Array;

export interface LabelChanges {
  readonly before: Labels;
  readonly after: Labels;
  /** What they should be, where that is known. */
  readonly truth?: Labels | undefined;
}

/** Of changes where the truth is known: to the right class, away from it, from one wrong class to another. */
export const changeColours = {
  repaired: [74, 190, 160],
  spoiled: [232, 96, 64],
  other: [230, 214, 150],
} as const;

/**
 * The picture in gray, and where labels changed the colour of the new class; where the truth is known, colours that say whether
 * it was to the better ({@link changeColours}), and none where it is no class.
 *
 * @throws OcrnetError INVALID_ARGUMENT for labels that do not fill the picture
 */
export function changesOverlay(
  { data, width, height }: RgbImage,
  { before, after, truth }: LabelChanges,
  palette: Palette,
): RgbImage {
  for (const labels of [before, after, truth])
    if (labels && labels.length !== width * height)
      throw new OcrnetError('INVALID_ARGUMENT', 'The labels do not fill the picture', {
        expected: `${width}×${height} labels`,
        received: `${labels.length}`,
      });
  const colourOf = (i: number): ArrayLike<number> | undefined => {
    const [old, now, right] = [before[i] as number, after[i] as number, truth?.[i]];
    if (old === now) return undefined;
    if (right === undefined) return palette.subarray(3 * now, 3 * now + 3);
    if (3 * right >= palette.length) return undefined;
    if (now === right) return changeColours.repaired;
    return old === right ? changeColours.spoiled : changeColours.other;
  };
  const result = new Uint8Array(data.length);
  for (let i = 0; i < before.length; i++) {
    const gray = dimmedGray(data, i);
    const colour = colourOf(i);
    for (let channel = 0; channel < 3; channel++)
      result[3 * i + channel] = colour ? 0.15 * gray + 0.85 * (colour[channel] as number) : gray;
  }
  return { data: result, width, height };
}

/** The part of all pixels whose label changed. */
export function shareOfChanges({ before, after }: LabelChanges): number {
  let changed = 0;
  for (let i = 0; i < before.length; i++) if (before[i] !== after[i]) changed++;
  return changed / before.length;
}

import { OcrnetError } from '../errors.js';
import { newLabels } from './dataset.js';
import type { DatasetMeaning } from './description.js';

/**
 * From the values in a label file to labels. A table answers for every value of 16 bits, so that a pixel costs one look-up;
 * what is legal is decided once, when the table is made.
 */

const illegal = -1;

export interface LabelTable {
  /** The labels of values, (height, width). @throws OcrnetError INVALID_DATA for a value that means nothing */
  fromValues(values: ArrayLike<number>, width: number, path: string): Uint8Array | Uint16Array;
  /** The labels of RGB colours, or RGBA with alpha 255. @throws OcrnetError INVALID_DATA for a colour that means nothing */
  fromColours(
    pixels: ArrayLike<number>,
    channels: 3 | 4,
    width: number,
    path: string,
  ): Uint8Array | Uint16Array;
}

export function labelTable(meaning: DatasetMeaning): LabelTable {
  const { ignoreLabel, classOfValue, ignoreUnlisted } = meaning;
  const labelOf = new Int32Array(65536).fill(ignoreUnlisted ? ignoreLabel : illegal);
  for (const [value, label] of classOfValue) labelOf[value] = label ?? ignoreLabel;
  let labelOfColour: ReadonlyMap<number, number> | undefined;

  return {
    fromValues(values, width, path) {
      const labels = newLabels(ignoreLabel, values.length);
      for (let i = 0; i < labels.length; i++) {
        const label = labelOf[values[i] as number] as number;
        if (label === illegal) throw illegalValue(values, labelOf, i, width, path, meaning);
        labels[i] = label;
      }
      return labels;
    },
    fromColours(pixels, channels, width, path) {
      labelOfColour ??= labelsByColour(meaning);
      const labels = newLabels(ignoreLabel, pixels.length / channels);
      // Neighbours mostly have the same colour.
      let [lastColour, lastLabel] = [-1, 0];
      for (let i = 0, at = 0; i < labels.length; i++, at += channels) {
        const colour = colourAt(pixels, at);
        if (colour !== lastColour) {
          const label = labelOfColour.get(colour);
          if (label === undefined) throw illegalColour(pixels, channels, i, width, path);
          [lastColour, lastLabel] = [colour, label];
        }
        if (channels === 4 && pixels[at + 3] !== 255) throw transparent(i, width, path);
        labels[i] = lastLabel;
      }
      return labels;
    },
  };
}

const colourAt = (pixels: ArrayLike<number>, at: number): number =>
  ((pixels[at] as number) << 16) | ((pixels[at + 1] as number) << 8) | (pixels[at + 2] as number);

function labelsByColour({ classes, ignoreColours, ignoreLabel }: DatasetMeaning): Map<number, number> {
  const labels = new Map<number, number>();
  const add = (colour: readonly number[], label: number, name: string) => {
    const key = colourAt(colour, 0);
    const other = labels.get(key);
    if (other !== undefined)
      throw new OcrnetError('INVALID_DATA', 'Labels are colours, and two classes have the same', {
        expected: 'a colour for each class',
        received: `[${colour.join(', ')}] for ${classes[other]?.name ?? 'ignored'} and ${name}`,
      });
    labels.set(key, label);
  };
  classes.forEach(({ name, colour }, label) => {
    add(colour, label, name);
  });
  for (const colour of ignoreColours) add(colour, ignoreLabel, 'ignored');
  return labels;
}

/** Where the first such pixel lies and how many there are: enough to find it in an image editor, and to judge it. */
function offence(first: number, width: number, count: number): string {
  const [x, y] = [first % width, Math.floor(first / width)];
  return `first at x ${x}, y ${y}, in ${pixelsOf(count)}`;
}

const pixelsOf = (count: number): string => `${count} ${count === 1 ? 'pixel' : 'pixels'}`;

function illegalValue(
  values: ArrayLike<number>,
  labelOf: Int32Array,
  first: number,
  width: number,
  path: string,
  meaning: DatasetMeaning,
): OcrnetError {
  let [count, others] = [0, 0];
  for (let i = first; i < values.length; i++) {
    if (values[i] === values[first]) count++;
    else if (labelOf[values[i] as number] === illegal) others++;
  }
  const more = others > 0 ? `; other such values in ${pixelsOf(others)}` : '';
  return new OcrnetError('INVALID_DATA', `${path} holds a value that is no label`, {
    expected: describeLegal(meaning),
    received: `${values[first]}, ${offence(first, width, count)}${more}`,
  });
}

/** `0 to 10 (classes), 11, 255 (ignored)` */
function describeLegal({ classOfValue }: DatasetMeaning): string {
  const values = (ignored: boolean) =>
    ranges(
      [...classOfValue].filter(([, label]) => (label === undefined) === ignored).map(([value]) => value),
    );
  const ignored = values(true);
  return `${values(false)} (classes)${ignored === '' ? '' : `, ${ignored} (ignored)`}`;
}

function ranges(values: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const value of [...values].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[1] === value - 1) last[1] = value;
    else runs.push([value, value]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ');
}

function illegalColour(
  pixels: ArrayLike<number>,
  channels: number,
  first: number,
  width: number,
  path: string,
): OcrnetError {
  const colour = colourAt(pixels, first * channels);
  let count = 0;
  for (let at = first * channels; at < pixels.length; at += channels)
    if (colourAt(pixels, at) === colour) count++;
  const rgb = [colour >> 16, (colour >> 8) & 255, colour & 255].join(', ');
  return new OcrnetError('INVALID_DATA', `${path} is a colour picture with a colour of no class`, {
    expected: "the classes' colours, or those of ignoreColours",
    received: `[${rgb}], ${offence(first, width, count)}`,
  });
}

const transparent = (first: number, width: number, path: string): OcrnetError =>
  new OcrnetError('INVALID_DATA', `${path} has transparent pixels`, {
    expected: 'labels without transparency',
    received: `alpha below 255 at x ${first % width}, y ${Math.floor(first / width)}`,
  });

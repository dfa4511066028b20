import { z } from 'zod';
import { OcrnetError } from '../errors.js';
import { classesOf, classSchema } from '../image/class-info.js';
import { vocPalette } from '../image/palette.js';
import { ignoreLabelFor, type LabelMeaning } from './dataset.js';
import { knownDatasets } from './datasets/index.js';

/**
 * The meaning of a data set's files, as `dataset.yaml` writes it. The data sets that ocrnet knows are written in the same
 * form (datasets/), so that `extends: camvid` lays one over the other and nothing is special about either.
 */

const label = z.int().min(0).max(65535);
const colour = classSchema.shape.colour;
/** A class by its name or number. */
const classReference = z.union([z.string(), z.int().min(0)]);

const descriptionSchema = z.strictObject({
  extends: z.string().optional(),
  classes: z
    .array(z.union([z.string(), classSchema]))
    .min(1)
    .max(65535)
    .optional(),
  ignore: z.union([label, z.array(label)]).optional(),
  ignoreColours: z.array(colour).optional(),
  mirror: z.array(z.tuple([classReference, classReference])).optional(),
  mapping: z.record(z.string().regex(/^\d+$/, 'expected a label, 0 to 65535'), classReference).optional(),
  unlisted: z.enum(['error', 'ignore']).optional(),
  firstLabel: label.optional(),
  images: z.string().min(1).optional(),
  labels: z.string().min(1).optional(),
  imageSuffix: z.string().optional(),
  labelSuffix: z.string().optional(),
});

/** `dataset.yaml`, parsed. docs/data.md explains each key. */
export type DatasetDescription = z.infer<typeof descriptionSchema>;

/** A description with every question answered. */
export interface DatasetMeaning extends LabelMeaning {
  /** The class of each value in label files; `undefined` means ignored, a missing value is an error unless unlisted ones are ignored. */
  readonly classOfValue: ReadonlyMap<number, number | undefined>;
  readonly ignoreUnlisted: boolean;
  readonly ignoreColours: readonly (readonly [number, number, number])[];
  readonly folders: { readonly images: string; readonly labels: string };
  readonly suffixes: { readonly image: string; readonly label: string };
}

/**
 * @param source - the file that the description comes from, for messages
 * @throws OcrnetError INVALID_DATA that names the key
 */
export function parseDescription(value: unknown, source: string): DatasetDescription {
  const result = descriptionSchema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0] as z.core.$ZodIssue;
  throw new OcrnetError(
    'INVALID_DATA',
    `${source} cannot be used: ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
    { cause: result.error },
  );
}

/** @throws OcrnetError INVALID_DATA that names what contradicts what */
export function interpret(given: DatasetDescription, source: string): DatasetMeaning {
  const fail = (what: string, expected: string, received: string): OcrnetError =>
    new OcrnetError('INVALID_DATA', `${source}: ${what}`, { expected, received });
  if (given.mapping && given.firstLabel !== undefined)
    throw fail('mapping and firstLabel both say which class a value is', 'one of them', 'both');
  const base = given.extends === undefined ? {} : extended(given.extends, fail);
  const description: DatasetDescription = { ...base, ...given };
  // What is given replaces what is extended, in either of its forms.
  if (given.firstLabel !== undefined) delete description.mapping;
  const { mirror = [], mapping, firstLabel = 0, ignore = 255 } = description;
  if (description.classes === undefined)
    throw fail('there are no classes', 'classes, or extends with a known data set', 'neither');
  const classes = nameColours(description.classes);
  const twice = classes.find(({ name }, i) => classes.findIndex((other) => other.name === name) !== i);
  if (twice) throw fail('classes', 'a name for each', `${twice.name} twice`);

  const find = (key: string, reference: string | number): number => {
    const index =
      typeof reference === 'number' ? reference : classes.findIndex(({ name }) => name === reference);
    if (index >= 0 && index < classes.length) return index;
    throw fail(key, `a class: its name, or 0 to ${classes.length - 1}`, String(reference));
  };

  const classOfValue = new Map<number, number | undefined>();
  if (mapping)
    for (const [value, reference] of Object.entries(mapping))
      classOfValue.set(Number(value), find(`mapping.${value}`, reference));
  else classes.forEach((_, i) => void classOfValue.set(i + firstLabel, i));
  // The default of 255 gives way to a 256th class; a value that somebody wrote down does not.
  const isWritten = description.ignore !== undefined;
  for (const value of typeof ignore === 'number' ? [ignore] : ignore) {
    const known = classOfValue.get(value);
    if (known === undefined) classOfValue.set(value, undefined);
    else if (isWritten)
      throw fail(
        `ignore: ${value} is a class`,
        'values that are no class',
        `that of ${classes[known]?.name}`,
      );
  }
  const mirrorPairs = mirror.map(([a, b]) => [find('mirror', a), find('mirror', b)] as const);
  const partners = mirrorPairs.flat();
  const repeated = partners.find((partner, i) => partners.indexOf(partner) !== i);
  if (repeated !== undefined)
    throw fail('mirror', 'each class once at most', `${classes[repeated]?.name} again`);
  return {
    classes,
    ignoreLabel: ignoreLabelFor(classes.length),
    mirrorPairs,
    classOfValue,
    ignoreUnlisted: description.unlisted === 'ignore',
    ignoreColours: description.ignoreColours ?? [],
    folders: { images: description.images ?? 'images', labels: description.labels ?? 'labels' },
    suffixes: { image: description.imageSuffix ?? '', label: description.labelSuffix ?? '' },
  };
}

function extended(
  name: string,
  fail: (what: string, expected: string, received: string) => OcrnetError,
): DatasetDescription {
  const known = knownDatasets[name];
  if (known === undefined) throw fail('extends', `one of ${Object.keys(knownDatasets).join(', ')}`, name);
  return known;
}

function nameColours(classes: NonNullable<DatasetDescription['classes']>) {
  const palette = vocPalette(classes.length);
  return classes.map((given, i) =>
    typeof given === 'string'
      ? (classesOf([given], palette.subarray(3 * i))[0] as z.infer<typeof classSchema>)
      : given,
  );
}

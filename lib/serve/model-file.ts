import { z } from 'zod';
import { OcrnetError } from '../errors.js';
import { type ClassInfo, classSchema } from '../image/class-info.js';
import { parseSegmenterConfig, type SegmenterConfig } from '../models/segmenter.js';

/** Key of the configuration in a weights file's metadata, and its form. */
const metadataKey = 'ocrnet';
const version = 1;

const metadataSchema = z.strictObject({
  version: z.literal(version),
  model: z.unknown(),
  classes: z.array(classSchema).optional(),
});

/** What a weights file says of the network that it belongs to. */
export interface ModelDescription {
  readonly config: SegmenterConfig;
  readonly classes?: readonly ClassInfo[] | undefined;
}

export function describeModel({ config, classes }: ModelDescription): Record<string, string> {
  return { [metadataKey]: JSON.stringify({ version, model: config, ...(classes && { classes }) }) };
}

/**
 * Reads the description from a weights file's metadata; undefined where the file has none.
 *
 * @throws OcrnetError INVALID_WEIGHTS where it has one that makes no sense
 */
export function parseDescription(
  metadata: ReadonlyMap<string, string>,
  path: string,
): ModelDescription | undefined {
  const text = metadata.get(metadataKey);
  if (text === undefined) return undefined;
  try {
    const { model, classes } = metadataSchema.parse(JSON.parse(text));
    const config = parseSegmenterConfig(model);
    if (classes && classes.length !== config.classes)
      throw new Error(`it names ${classes.length} classes where the network has ${config.classes}`);
    return { config, classes };
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? cause.issues[0]?.message : (cause as Error).message;
    throw new OcrnetError(
      'INVALID_WEIGHTS',
      `${path} has a description of its network that cannot be used: ${reason}`,
      { cause },
    );
  }
}

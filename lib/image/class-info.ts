import { z } from 'zod';
import type { Palette } from './palette.js';

/** A class as files write it: in a weights file's metadata and in `dataset.yaml`. */
export const classSchema = z.strictObject({
  name: z.string(),
  /** RGB, 0 to 255. */
  colour: z.tuple([0, 1, 2].map(() => z.int().min(0).max(255)) as [z.ZodInt, z.ZodInt, z.ZodInt]),
});

/** A class as people see it. */
export type ClassInfo = z.infer<typeof classSchema>;

/** The colours of classes, by label. */
export function paletteOf(classes: readonly ClassInfo[]): Palette {
  return Uint8Array.from(classes.flatMap(({ colour }) => colour));
}

/** Classes from names and the colours of a palette that is at least as long. */
export function classesOf(names: readonly string[], palette: Palette): ClassInfo[] {
  return names.map((name, label) => ({
    name,
    colour: [...palette.subarray(3 * label, 3 * label + 3)] as ClassInfo['colour'],
  }));
}

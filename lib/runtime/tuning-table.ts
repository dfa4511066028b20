import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { PlanLayout, PlannedStep } from '../compile/encode.js';
import { OcrnetError } from '../errors.js';
import { unreadable, writeFileAtomic } from '../files.js';

const measuredSchema = z.strictObject({
  /** Milliseconds of each algorithm that gave what the first one gives. */
  milliseconds: z.record(z.string(), z.number().positive()),
  /** Those that gave something else, or failed. */
  wrong: z.array(z.string()),
});

/** What was measured of one problem. */
export type Measured = z.infer<typeof measuredSchema>;

const format = 'ocrnet tuning 1';
const fileSchema = z.strictObject({
  format: z.literal(format),
  /** By device, then by problem. */
  devices: z.record(z.string(), z.record(z.string(), measuredSchema)),
});

/** Which algorithms are fastest on one device, in a file that may hold what was measured on others, too. */
export class TuningTable {
  readonly path: string;
  readonly #device: string;
  readonly #problems: Map<string, Measured>;

  private constructor(path: string, device: string, problems: Map<string, Measured>) {
    this.path = path;
    this.#device = device;
    this.#problems = problems;
  }

  /**
   * The table of a file, empty where there is none yet.
   *
   * @param device - what tells it from others that may be faster at other things: model, driver, settings
   * @throws OcrnetError INVALID_DATA where the file is no such table, FILE_UNREADABLE
   */
  static open(path: string, device: string): TuningTable {
    return new TuningTable(path, device, new Map(Object.entries(readDevices(path)[device] ?? {})));
  }

  get(problem: string): Measured | undefined {
    return this.#problems.get(problem);
  }

  set(problem: string, measured: Measured): void {
    this.#problems.set(problem, measured);
  }

  /** The algorithm of least time, and those that take longer; none where the problem was not measured. */
  byTime(problem: string): readonly string[] {
    const times = Object.entries(this.#problems.get(problem)?.milliseconds ?? {});
    return times.sort(([, a], [, b]) => a - b).map(([name]) => name);
  }

  /**
   * Writes the file; what others have put there meanwhile, of this device or another, stays.
   *
   * @throws OcrnetError FILE_NOT_WRITTEN
   */
  async save(): Promise<void> {
    const others = readDevices(this.path);
    const own = { ...others[this.#device], ...Object.fromEntries(this.#problems) };
    const devices = { ...others, [this.#device]: own };
    await writeFileAtomic(this.path, `${JSON.stringify({ format, devices }, undefined, 2)}\n`);
  }
}

function readDevices(path: string): z.infer<typeof fileSchema>['devices'] {
  if (!existsSync(path)) return {};
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    return fileSchema.parse(JSON.parse(text)).devices;
  } catch (cause) {
    throw new OcrnetError('INVALID_DATA', `${path} is no table of tuning`, {
      expected: `JSON of the format "${format}", or no such file`,
      received: text.length === 0 ? 'an empty file' : `${text.length} characters that are not`,
      cause,
    });
  }
}

/** A step as far as its algorithms' times depend on it: operation, attributes, types, and which operands are parameters. */
export function problemOf({ tensors }: PlanLayout, step: PlannedStep): string {
  const operand = (index: number | undefined) => {
    const tensor = index === undefined ? undefined : tensors[index];
    if (!tensor) return '-';
    const { type, storage } = tensor;
    return `${storage === 'parameter' ? 'parameter ' : ''}${type.dataType} ${type.shape.join('×')}`;
  };
  const operands = `(${step.inputs.map(operand).join(', ')}) → (${step.outputs.map(operand).join(', ')})`;
  return `${step.spec.name}${operands} ${JSON.stringify(step.attributes)}`;
}

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { openSafetensors, writeSafetensors } from '../checkpoint/safetensors.js';
import { OcrnetError } from '../errors.js';
import type { DeviceState } from '../runtime/state.js';

/**
 * The checkpoints of a training: files checkpoints/step-000500.safetensors with every block of the device's state as it is
 * (parameters, running statistics, what the optimiser remembers, averages), and in the metadata where the training stands.
 * Random numbers and the order of the data are functions of seed and step, so that nothing else has to be kept.
 *
 * A file is written under another name, flushed and renamed: it is there whole or not at all, and older ones are removed only
 * when it is.
 */
const metadataKey = 'ocrnet-training';
const version = 1;

const positionSchema = z.strictObject({
  version: z.literal(version),
  /** Steps that are done. */
  step: z.int().min(0),
  /** The recipe that led here, resolved, as text. */
  recipe: z.string(),
  /** Names the layout of the blocks: the parameters in their order. */
  layout: z.string(),
  /** Of the evaluation at this step, where there was one. */
  miou: z.number().nullable(),
});

/** Where a training stands. */
export type TrainingPosition = Omit<z.infer<typeof positionSchema>, 'version'>;

export interface StoredCheckpoint extends TrainingPosition {
  readonly path: string;
}

const fileOf = (step: number): string => `step-${String(step).padStart(6, '0')}.safetensors`;
const filePattern = /^step-\d{6,}\.safetensors$/;

export class CheckpointStore {
  readonly folder: string;
  readonly #keep: number;

  /** @param keep - how many of the newest are kept, beside the one with the highest mIoU */
  constructor(folder: string, keep: number) {
    this.folder = join(folder, 'checkpoints');
    this.#keep = keep;
  }

  /**
   * Writes the state as it is between two steps.
   *
   * @returns the path of the file
   * @throws OcrnetError FILE_NOT_WRITTEN; what was there before is then still there
   */
  async save(state: DeviceState, position: TrainingPosition): Promise<string> {
    await mkdir(this.folder, { recursive: true });
    const path = join(this.folder, fileOf(position.step));
    const blocks = new Map<string, Float32Array>();
    for (const { name } of state.blocks) blocks.set(name, await state.read(name));
    const source = {
      tensors: new Map([...blocks].map(([name, data]) => [name, { shape: [data.length] }])),
      read: (name: string) => blocks.get(name) as Float32Array,
    };
    await writeSafetensors(path, source, { [metadataKey]: JSON.stringify({ version, ...position }) });
    await this.#removeOld();
    return path;
  }

  /** All that can be read, the oldest first. Files that cannot be read are passed over: `onInvalid` hears of them. */
  async list(onInvalid: (path: string, reason: string) => void = () => {}): Promise<StoredCheckpoint[]> {
    const names = await readdir(this.folder).catch(() => []);
    const found: StoredCheckpoint[] = [];
    for (const name of names.filter((one) => filePattern.test(one))) {
      const path = join(this.folder, name);
      try {
        found.push({ path, ...readPosition(path) });
      } catch (error) {
        onInvalid(path, error instanceof Error ? error.message : String(error));
      }
    }
    return found.sort((a, b) => a.step - b.step);
  }

  async #removeOld(): Promise<void> {
    const all = await this.list();
    const best = bestOf(all);
    const old = all.slice(0, Math.max(0, all.length - this.#keep)).filter((one) => one !== best);
    for (const { path } of old) await rm(path, { force: true });
  }
}

/** The checkpoint with the highest mIoU, the earliest of equals. */
export function bestOf<T extends TrainingPosition>(checkpoints: readonly T[]): T | undefined {
  let best: T | undefined;
  for (const one of checkpoints)
    if (one.miou !== null && (best === undefined || one.miou > (best.miou as number))) best = one;
  return best;
}

/**
 * Puts the state of a checkpoint on the device.
 *
 * @throws OcrnetError INVALID_WEIGHTS where it belongs to another network or optimiser
 */
export async function restoreState(
  path: string,
  state: DeviceState,
  layout: string,
): Promise<TrainingPosition> {
  const position = readPosition(path);
  if (position.layout !== layout)
    throw new OcrnetError(
      'INVALID_WEIGHTS',
      `${path} belongs to another network: its parameters lie otherwise`,
      {
        expected: layout,
        received: position.layout,
      },
    );
  using file = openSafetensors(path);
  const describe = (blocks: Iterable<readonly [string, number]>) =>
    [...blocks].map(([name, elements]) => `${name} (${elements})`).join(', ');
  const expected = describe(state.blocks.map(({ name, elements }) => [name, elements] as const));
  const received = describe(
    state.blocks.flatMap(({ name }) => {
      const entry = file.tensors.get(name);
      return entry ? [[name, entry.shape[0] as number] as const] : [];
    }),
  );
  if (expected !== received)
    throw new OcrnetError('INVALID_WEIGHTS', `${path} holds the state of another training`, {
      expected,
      received: received === '' ? 'none of these' : received,
    });
  for (const { name } of state.blocks) await state.write(name, file.read(name));
  return position;
}

function readPosition(path: string): TrainingPosition {
  using file = openSafetensors(path);
  const text = file.metadata.get(metadataKey);
  if (text === undefined)
    throw new OcrnetError('INVALID_WEIGHTS', `${path} is no checkpoint of a training`, {
      expected: `"${metadataKey}" in its metadata`,
    });
  try {
    const { version: _, ...position } = positionSchema.parse(JSON.parse(text));
    return position;
  } catch (cause) {
    throw new OcrnetError('INVALID_WEIGHTS', `${path} does not say where its training stands`, { cause });
  }
}

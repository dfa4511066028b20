import { createHash } from 'node:crypto';
import type { Device } from '../../lib/runtime/device.js';
import type { DeviceState } from '../../lib/runtime/state.js';
import type { TrainingProgram } from '../../lib/train/training-program.js';

/** Lets a trainer take so many of the device's runs to overlap. Where they do not, they wait for each other there. */
export function withRunsInFlight(device: Device, count: number): Device {
  Object.defineProperty(device, 'runsInFlight', { value: count });
  return device;
}

/** Of the program's steps from now on, how many were started and had no result: now, and the most at a time. */
export function countSteps(program: TrainingProgram): { readonly running: number; readonly most: number } {
  const counts = { running: 0, most: 0 };
  const step = program.step.bind(program);
  program.step = async (...given) => {
    counts.most = Math.max(counts.most, ++counts.running);
    try {
      return await step(...given);
    } finally {
      counts.running--;
    }
  };
  return counts;
}

/** By block, what tells its bits. */
export type StateDigest = Readonly<Record<string, string>>;

export const digestOf = (blocks: Iterable<readonly [string, Float32Array]>): StateDigest =>
  Object.fromEntries(
    Array.from(blocks, ([name, numbers]) => [
      name,
      createHash('sha256').update(new Uint8Array(numbers.buffer)).digest('hex'),
    ]),
  );

export const stateDigest = async (state: DeviceState): Promise<StateDigest> =>
  digestOf(await Promise.all(state.blocks.map(async ({ name }) => [name, await state.read(name)] as const)));

import { setTimeout as sleep } from 'node:timers/promises';
import { byteLength } from '../../lib/ir/tensor-type.js';
import { type Device, describeMachine } from '../../lib/runtime/device.js';
import type { Program, TensorData } from '../../lib/runtime/program.js';
import { forgetPeak, residentMemory } from './process-memory.js';
import type { SideMemory } from './side.js';

export type Inputs = Readonly<Record<string, TensorData>>;

/** The first run after loading touches the plan's arena for the first time. */
export function measureFirstRun(device: Device, program: Program, inputs: Inputs): Promise<SideMemory> {
  return device.name === 'cpu' ? inProcess(program, inputs) : onGpu(device, program, inputs);
}

/** The copies that a run makes of the inputs belong to the caller, the results to the module. */
async function inProcess(program: Program, inputs: Inputs): Promise<SideMemory> {
  const copies = Object.values(inputs).reduce((sum, { byteLength }) => sum + byteLength, 0);
  const before = await settledBytes();
  forgetPeak();
  await program.run(inputs);
  const { peak } = residentMemory();
  return { measuredBytes: peak - before - copies, residentBytes: peak };
}

/** By the device's own count: beside the arena there are only weights, and places for the inputs and outputs of runs. */
async function onGpu(device: Device, program: Program, inputs: Inputs): Promise<SideMemory> {
  await program.run(inputs);
  const [gpu] = describeMachine().cuda.devices;
  if (!gpu) throw new Error('there is no GPU, but a device of one');
  return {
    measuredBytes: device.arenaBytes + resultBytes(program),
    residentBytes: gpu.memoryBytes - device.freeBytes,
  };
}

export const resultBytes = ({ compiled }: Program): number =>
  compiled.graph.outputs.reduce((sum, { value }) => sum + byteLength(value.type), 0);

/** Waits until JavaScript has let go of what it left: it would be taken for the module's, or hide, freed, what the module takes. */
async function settledBytes(): Promise<number> {
  if (!globalThis.gc) throw new Error('this process needs --expose-gc');
  for (let before = Number.NaN, turn = 0; turn < 50; turn++) {
    globalThis.gc();
    // Native memory goes when finalizers run, some turns of the event loop after the objects that held it.
    await sleep(20);
    const { now } = residentMemory();
    if (now === before) return now;
    before = now;
  }
  throw new Error('the memory of this process does not come to rest');
}

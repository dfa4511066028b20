import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { LineProcess } from '../line-process.js';
import {
  type Layout,
  layouts,
  type PyTorchReady,
  type SideMemory,
  type SideOptions,
  type SideRun,
} from './side.js';

/** Compiles TypeScript as it is imported. */
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Large blocks are mapped one by one, so that what was freed before a run cannot hide what the run takes. */
const withOwnMappings = { ...process.env, MALLOC_MMAP_THRESHOLD_: `${1 << 16}` };

/** Our side of a module, loading. */
export const startOurs = (options: SideOptions): LineProcess =>
  new LineProcess(
    'our side',
    process.execPath,
    ['--import', tsx, '--expose-gc', path('worker.ts'), JSON.stringify(options)],
    withOwnMappings,
  );

export interface PyTorchOptions extends SideOptions {
  readonly python: string;
  /** A safetensors file of `syntheticWeights`. */
  readonly weightsFile: string;
  /** For a run. */
  readonly limitMs: number | undefined;
}

/** PyTorch in its faster layout, ready to be timed. */
export interface PyTorchSide extends SideMemory {
  readonly side: LineProcess;
  /** "PyTorch 1.13.1". */
  readonly peer: string;
  readonly layout: Layout;
}

/** Memory is measured in a process that ends at once: in one that tried layouts, what is free cannot be told from what is new. */
export async function openPyTorch(options: PyTorchOptions): Promise<PyTorchSide> {
  const side = startPyTorch(options, process.env);
  try {
    const { peer } = await side.answer<PyTorchReady>();
    const layout = await fasterLayout(side, options.limitMs);
    return { side, peer, layout, ...(await memoryOfPyTorch(options, layout)) };
  } catch (error) {
    await side.close();
    throw error;
  }
}

function startPyTorch(options: PyTorchOptions, env: NodeJS.ProcessEnv): LineProcess {
  const { python, weightsFile, kind, size, device, threads } = options;
  const inputs = kind === 'ocr' ? 2 : 1;
  const told = { ...size, config: contextConfig(kind), inputs, weights: weightsFile, device, threads };
  return new LineProcess('PyTorch', python, [path('../peers/pytorch-module.py'), JSON.stringify(told)], env);
}

async function fasterLayout(side: LineProcess, limitMs: number | undefined): Promise<Layout> {
  const times: { layout: Layout; ms: number }[] = [];
  for (const layout of layouts) {
    await side.ask(`layout ${layout}`);
    times.push({ layout, ms: await trial(side, limitMs) });
  }
  return times.reduce((best, one) => (one.ms < best.ms ? one : best)).layout;
}

/** The better of two runs: the first prepares primitives. Where it takes seconds that is nothing beside them. */
async function trial(side: LineProcess, limitMs: number | undefined): Promise<number> {
  const first = await side.ask<SideRun>('run', limitMs);
  if (first.ms > 2000) return first.ms;
  return Math.min(first.ms, (await side.ask<SideRun>('run', limitMs)).ms);
}

async function memoryOfPyTorch(options: PyTorchOptions, layout: Layout): Promise<SideMemory> {
  const side = startPyTorch(options, withOwnMappings);
  try {
    await side.answer();
    await side.ask(`layout ${layout}`);
    return await side.ask<SideMemory>('measure', options.limitMs);
  } finally {
    await side.close();
  }
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSafetensors } from '../lib/checkpoint/safetensors.js';
import { checkpointTensors } from '../lib/checkpoint/weights.js';
import type { Graph } from '../lib/ir/graph.js';
import { withDropout } from '../lib/models/contexts/defaults.js';
import { modelConfig } from '../lib/models/registry.js';
import { buildSegmenter, type SegmenterConfig } from '../lib/models/segmenter.js';
import { initialiser } from '../lib/nn/initialise.js';
import { sgd } from '../lib/optim/index.js';
import { openDevice } from '../lib/runtime/device.js';
import { TrainingProgram } from '../lib/train/training-program.js';
import { describeGraph } from './describe-graph.js';
import { type Contender, interleave } from './interleave.js';
import { noise } from './noise.js';
import { findPyTorch, PyTorchPeer } from './peers/pytorch.js';
import type { TrainStep, TrainStepResult } from './train-step.js';

export interface TrainBenchOptions {
  readonly models: readonly string[];
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly threads: number;
  readonly runs: number;
}

/** What one side needed. The first step, which allocates and compiles, is not counted. */
export interface TrainSideResult {
  readonly medianMs: number;
  readonly bestMs: number;
  readonly bestCpuMs: number;
  readonly firstLoss: number;
  readonly peakResidentBytes?: number;
}

export interface TrainBenchResult {
  readonly model: string;
  readonly input: string;
  readonly threads: number;
  readonly ours?: TrainSideResult;
  readonly pytorch?: TrainSideResult;
  /** Why a side is absent. */
  readonly skipped?: string;
  /** The peer's median over ours. */
  readonly ratio?: number;
}

/** Times steps of training, PyTorch in turn with ours, on the same weights and the same batch; without dropout. */
export async function benchTrain(options: TrainBenchOptions): Promise<TrainBenchResult[]> {
  const results: TrainBenchResult[] = [];
  for (const model of options.models) results.push(await benchModel(model, options));
  return results;
}

const learningRate = 0.01;

async function benchModel(model: string, options: TrainBenchOptions): Promise<TrainBenchResult> {
  const { batch, height, width, threads, runs } = options;
  const named = modelConfig(model);
  const config = { ...named, context: withDropout(named.context, 0) };
  const outputs = model.startsWith('ocrnet-')
    ? (['logits', 'auxiliaryLogits'] as const)
    : (['logits'] as const);
  const graph = buildSegmenter(config, { batch, height, width, outputs });
  const sides: { readonly name: 'ours' | 'pytorch'; readonly side: TrainStep }[] = [];
  const skipped: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'ocrnet-bench-'));
  try {
    try {
      sides.push({ name: 'ours', side: await openOurs(config, options) });
    } catch (error) {
      skipped.push(`ours: ${(error as Error).message}`);
    }
    const found = findPyTorch();
    if ('reason' in found) skipped.push(`pytorch: ${found.reason}`);
    else sides.push({ name: 'pytorch', side: await openPeer(found.python, graph, config, folder, options) });
    return {
      model,
      input: `${batch}x${height}x${width}x3`,
      threads,
      ...(await compare(sides, runs)),
      ...(skipped.length > 0 && { skipped: skipped.join('; ') }),
    };
  } finally {
    for (const { side } of sides) await side.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Our side, in this process: its peak is that of the process, with Node.js and the models that were measured before. */
async function openOurs(
  config: SegmenterConfig,
  { batch, height, width, threads }: TrainBenchOptions,
): Promise<TrainStep> {
  const device = await openDevice({ threads });
  const program = await TrainingProgram.create(device, config, {
    batch,
    height,
    width,
    losses: { ignoreLabel: 255 },
    optimiser: sgd({ momentum: 0.9, weightDecay: 0.0005 }),
    groups: {},
    initial: initialiser(1),
  }).catch(async (error) => {
    await device.dispose();
    throw error;
  });
  const { image, labels } = trainingBatch({ batch, height, width }, config.classes);
  let done = 0;
  return {
    async step() {
      const start = performance.now();
      const before = process.cpuUsage();
      const { loss } = await program.step([{ image, label: labels }], { learningRate, step: done++ });
      const ms = performance.now() - start;
      const { user, system } = process.cpuUsage(before);
      return {
        ms,
        cpuMs: (user + system) / 1000,
        loss,
        peakResidentBytes: process.resourceUsage().maxRSS * 1024,
      };
    },
    async close() {
      program.dispose();
      await device.dispose();
    },
  };
}

async function openPeer(
  python: string,
  graph: Graph,
  { classes, alignCorners }: SegmenterConfig,
  folder: string,
  { batch, height, width, threads }: TrainBenchOptions,
): Promise<TrainStep> {
  const graphFile = join(folder, 'graph.json');
  const weightsFile = join(folder, 'initial.safetensors');
  await writeFile(graphFile, JSON.stringify(describeGraph(graph)));
  await writeSafetensors(weightsFile, checkpointTensors(graph, initialiser(1)));
  return await PyTorchPeer.open(python, {
    graphFile,
    weightsFile,
    batch,
    height,
    width,
    classes,
    alignCorners,
    learningRate,
    threads,
  });
}

async function compare(
  sides: readonly { readonly name: 'ours' | 'pytorch'; readonly side: TrainStep }[],
  runs: number,
): Promise<Pick<TrainBenchResult, 'ours' | 'pytorch' | 'ratio'>> {
  const steps: TrainStepResult[][] = sides.map(() => []);
  const contenders = sides.map(
    ({ side }, i): Contender =>
      async () => {
        const result = await side.step();
        steps[i]?.push(result);
        return result.ms;
      },
  );
  const warmups = 1;
  const medians = await interleave(contenders, { runs, warmups, restMs: 500 });
  const results = sides.map(({ name }, i) => {
    const own = steps[i] as TrainStepResult[];
    const peak = own.at(-1)?.peakResidentBytes;
    const counted = own.slice(warmups);
    const result: TrainSideResult = {
      medianMs: medians[i] as number,
      bestMs: Math.min(...counted.map(({ ms }) => ms)),
      bestCpuMs: Math.min(...counted.map(({ cpuMs }) => cpuMs)),
      firstLoss: own[0]?.loss as number,
      ...(peak !== undefined && { peakResidentBytes: peak }),
    };
    return [name, result] as const;
  });
  const { ours, pytorch } = Object.fromEntries(results) as Partial<
    Record<'ours' | 'pytorch', TrainSideResult>
  >;
  return {
    ...(ours && { ours }),
    ...(pytorch && { pytorch }),
    ...(ours && pytorch && { ratio: pytorch.medianMs / ours.medianMs }),
  };
}

/** The batch of both sides, bit by bit that of pytorch-train.py: noise, one pixel in sixteen ignored. */
export function trainingBatch(
  { batch, height, width }: { readonly batch: number; readonly height: number; readonly width: number },
  classes: number,
): { readonly image: Uint8Array; readonly labels: Uint8Array } {
  const count = batch * height * width;
  const image = Uint8Array.from({ length: 3 * count }, (_, i) => noise(i, 1) >>> 24);
  const labels = Uint8Array.from({ length: count }, (_, i) => {
    const word = noise(i, 2);
    return word % 16 === 0 ? 255 : (word >>> 8) % classes;
  });
  return { image, labels };
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Precision } from '../lib/compile/passes/assign-precision.js';
import { loadModel } from '../lib/serve/load-model.js';
import type { Model } from '../lib/serve/model.js';
import { interleave } from './interleave.js';
import { OnnxRuntimePeer } from './peers/onnxruntime.js';

export interface ModelBenchOptions {
  readonly models: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly precisions: readonly Precision[];
  /** Compare with onnxruntime in the same run. */
  readonly against: boolean;
  readonly threads: number;
  readonly runs: number;
}

export interface ModelBenchResult {
  readonly model: string;
  readonly input: string;
  readonly precision: Precision;
  /** Medians. */
  readonly oursMs: number;
  readonly peerMs?: number;
  /** Peer's time over ours. The peer computes in float32. */
  readonly ratio?: number;
  /** ‖ours − peer's‖ / ‖peer's‖ of the logits. */
  readonly relativeError?: number;
  readonly gflops: number;
  readonly arenaBytes: number;
}

/** Times whole networks from picture bytes to logits, with the same random weights on both sides. */
export async function benchModels(options: ModelBenchOptions): Promise<ModelBenchResult[]> {
  const results: ModelBenchResult[] = [];
  for (const name of options.models) results.push(...(await benchModel(name, options)));
  return results;
}

async function benchModel(name: string, options: ModelBenchOptions): Promise<ModelBenchResult[]> {
  const { height, width, threads } = options;
  const folder = await mkdtemp(join(tmpdir(), 'ocrnet-bench-'));
  try {
    const peer = options.against ? await openPeer(name, join(folder, 'model.onnx'), options) : undefined;
    const results: ModelBenchResult[] = [];
    for (const precision of options.precisions) {
      await using model = await loadModel(name, { threads, precision, onWarning: () => {} });
      results.push(await compare(name, model, peer, options));
    }
    await peer?.close();
    return results.map((result) => ({ ...result, input: `1x${height}x${width}x3` }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function openPeer(name: string, file: string, options: ModelBenchOptions): Promise<OnnxRuntimePeer> {
  const { height, width, threads } = options;
  await using model = await loadModel(name, { threads, onWarning: () => {} });
  await model.exportOnnx(file, { height, width });
  return await OnnxRuntimePeer.open(file, threads);
}

async function compare(
  name: string,
  model: Model,
  peer: OnnxRuntimePeer | undefined,
  { height, width, runs }: ModelBenchOptions,
): Promise<ModelBenchResult> {
  const program = await model.compile({ batch: 1, height, width, outputs: ['logits'] });
  const image = randomBytes(height * width * 3);
  let ours: Float32Array = new Float32Array();
  let theirs: Float32Array = new Float32Array();
  const runOurs = async () => {
    const start = performance.now();
    const { outputs } = await program.run({ image });
    ours = outputs.logits as Float32Array;
    return performance.now() - start;
  };
  const runPeer = async () => {
    const { logits, elapsedMs } = await (peer as OnnxRuntimePeer).run(image, [1, height, width, 3]);
    theirs = logits;
    return elapsedMs;
  };
  const contenders = peer === undefined ? [runOurs] : [runOurs, runPeer];
  const [oursMs = 0, peerMs] = await interleave(contenders, { runs, warmups: 1, restMs: 150 });
  const { flops } = model.summary({ height, width });
  const { arenaBytes } = program.compiled;
  const shape = program.outputShape('logits') as readonly number[];
  program.dispose();
  return {
    model: name,
    input: '',
    precision: model.precision,
    oursMs,
    ...(peerMs !== undefined && {
      peerMs,
      ratio: peerMs / oursMs,
      relativeError: relativeError(ours, theirs, shape[3] as number),
    }),
    gflops: flops / 1e9,
    arenaBytes,
  };
}

/** Ours are (1, h, w, K), theirs (1, K, h, w). */
function relativeError(ours: Float32Array, theirs: Float32Array, classes: number): number {
  const pixels = ours.length / classes;
  let difference = 0;
  let norm = 0;
  for (let pixel = 0; pixel < pixels; pixel++)
    for (let k = 0; k < classes; k++) {
      const expected = theirs[k * pixels + pixel] as number;
      difference += ((ours[pixel * classes + k] as number) - expected) ** 2;
      norm += expected ** 2;
    }
  return Math.sqrt(difference / norm);
}

function randomBytes(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

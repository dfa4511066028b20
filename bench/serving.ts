import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import sharp from 'sharp';
import { writeSegmentation } from '../lib/cli/segmentation-files.js';
import type { Precision } from '../lib/compile/passes/assign-precision.js';
import { renderScene } from '../lib/image/render-scene.js';
import { loadModel } from '../lib/serve/load-model.js';
import { median } from './interleave.js';

export interface ResponsivenessResult {
  readonly model: string;
  /** What ran it: "4 threads". */
  readonly device: string;
  readonly runs: number;
  readonly medianMs: number;
  /** Delay of the event loop while the network runs. */
  readonly delayMs: { readonly median: number; readonly p99: number; readonly most: number };
}

/** How long the event loop waits while a network runs on all threads. */
export async function benchResponsiveness(
  name: string,
  { height, width, runs }: { height: number; width: number; runs: number },
): Promise<ResponsivenessResult> {
  await using model = await loadModel(name, { onWarning: () => {} });
  const program = await model.compile({ batch: 1, height, width, outputs: ['labels'] });
  const image = renderScene({ height, width }).data;
  await program.run({ image });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const times: number[] = [];
  delay.enable();
  for (let run = 0; run < runs; run++) times.push((await program.run({ image })).elapsedMs);
  delay.disable();
  program.dispose();
  // The monitor counts its own millisecond of sleep as delay.
  const milliseconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - 1);
  return {
    model: name,
    device: model.device.description,
    runs,
    medianMs: median(times),
    delayMs: {
      median: milliseconds(delay.percentile(50)),
      p99: milliseconds(delay.percentile(99)),
      most: milliseconds(delay.max),
    },
  };
}

export interface MemoryResult {
  readonly model: string;
  readonly segmentations: number;
  /** Resident after a tenth of them, and at the end. */
  readonly earlyBytes: number;
  readonly lateBytes: number;
  /** Of the whole process at any time, loading included. */
  readonly peakBytes: number;
  readonly plannedArenaBytes: number;
  readonly usedArenaBytes: number;
}

/** Segments one picture again and again, with all outputs, and watches resident memory. */
export async function benchMemory(
  name: string,
  { height, width, count }: { height: number; width: number; count: number },
): Promise<MemoryResult> {
  await using model = await loadModel(name, { onWarning: () => {} });
  const picture = { ...renderScene({ height, width }), channels: 3 as const };
  const { arenaBytes } = model.summary({ height, width });
  let earlyBytes = 0;
  for (let i = 0; i < count; i++) {
    const segmentation = await model.segment(picture);
    segmentation.overlay();
    if (i === Math.floor(count / 10)) earlyBytes = process.memoryUsage().rss;
  }
  return {
    model: name,
    segmentations: count,
    earlyBytes,
    lateBytes: process.memoryUsage().rss,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    plannedArenaBytes: arenaBytes,
    usedArenaBytes: model.device.arenaBytes,
  };
}

export interface FilesResult {
  readonly model: string;
  readonly precision: string;
  readonly input: string;
  /** Medians: of the network, and of everything from the file to the label PNG and the overlay on the disk. */
  readonly networkMs: number;
  readonly totalMs: number;
  /** What all but the network adds, as a part of the network's time. */
  readonly overhead: number;
}

/** From a JPEG file to the files that `ocrnet segment` writes, one picture after the other. */
export async function benchFiles(
  name: string,
  { height, width, runs, precision }: { height: number; width: number; runs: number; precision: Precision },
): Promise<FilesResult> {
  const folder = await mkdtemp(join(tmpdir(), 'ocrnet-bench-'));
  try {
    const picture = join(folder, 'street.jpg');
    await sharp(renderScene({ height, width }).data, { raw: { height, width, channels: 3 } })
      .jpeg({ quality: 92 })
      .toFile(picture);
    await using model = await loadModel(name, { precision, onWarning: () => {} });
    const networkMs: number[] = [];
    const totalMs: number[] = [];
    for (let run = 0; run <= runs; run++) {
      const start = performance.now();
      const segmentation = await model.segment(picture);
      await writeSegmentation(segmentation, folder, 'street');
      // The first run compiles.
      if (run === 0) continue;
      networkMs.push(segmentation.networkMs);
      totalMs.push(performance.now() - start);
    }
    const [network, total] = [median(networkMs), median(totalMs)];
    const input = `1x${height}x${width}x3`;
    return {
      model: name,
      precision,
      input,
      networkMs: network,
      totalMs: total,
      overhead: total / network - 1,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

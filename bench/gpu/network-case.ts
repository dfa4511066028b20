import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import { checkpointTensors, eachWeight } from '../../lib/checkpoint/weights.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import type { Graph } from '../../lib/ir/graph.js';
import { buildSegmenter, type SegmenterConfig } from '../../lib/models/segmenter.js';
import type { Device } from '../../lib/runtime/device.js';
import type { Program } from '../../lib/runtime/program.js';
import { describeGraph } from '../describe-graph.js';
import { type GpuCase, onDevice, openGpu } from './case.js';
import { PlanContender } from './contender.js';
import { noiseBytes, quietWeights } from './inputs.js';

/** Of pictures. */
export interface PictureSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

export interface NamedNetwork {
  readonly name: string;
  readonly config: SegmenterConfig;
}

export const formatPictures = ({ batch, height, width }: PictureSize): string =>
  `${batch}×${height}×${width}`;

/** A whole network in inference, from picture bytes to class scores. */
export function networkCase(
  { name, config }: NamedNetwork,
  size: PictureSize,
  precision: Precision,
): GpuCase {
  return {
    name: `${name}, ${formatPictures(size)}`,
    precision,
    modes: ['eager', 'graphed', 'compiled'],
    open: async () =>
      await onDevice(await openGpu(precision), async (device) => {
        const program = await loadNetwork(device, config, size, precision);
        return new PlanContender(device, program, { image: pictures(size) });
      }),
    async describe(folder) {
      const graph = inferenceGraph(config, size);
      return { kind: 'network', ...size, ...(await writeNetwork(folder, graph)) };
    },
  };
}

export const pictures = ({ batch, height, width }: PictureSize): Uint8Array =>
  noiseBytes(batch * height * width * 3);

const inferenceGraph = (config: SegmenterConfig, size: PictureSize): Graph =>
  buildSegmenter(config, { ...size, outputs: ['logits'] });

/** With `quietWeights`; its output is the class scores. */
export async function loadNetwork(
  device: Device,
  config: SegmenterConfig,
  size: PictureSize,
  precision: Precision,
): Promise<Program> {
  const compiled = device.compile(inferenceGraph(config, size), { precision });
  const weights = device.createWeights();
  for (const [{ name, value }, data] of eachWeight(compiled.graph, quietWeights()))
    weights.set(name, value.type.shape, data);
  return await device.load(compiled, weights);
}

/** As bench/peers/pytorch-gpu.py reads it. */
export async function writeNetwork(
  folder: string,
  graph: Graph,
): Promise<{ graph: string; weights: string }> {
  const [file, weights] = [join(folder, 'graph.json'), join(folder, 'weights.safetensors')];
  await writeFile(file, JSON.stringify(describeGraph(graph)));
  await writeSafetensors(weights, checkpointTensors(graph, quietWeights()));
  return { graph: file, weights };
}

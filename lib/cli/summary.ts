import Table from 'cli-table3';
import { abstractTarget } from '../compile/target.js';
import { OcrnetError } from '../errors.js';
import { buildSegmenter } from '../models/segmenter.js';
import { type Device, openDevice } from '../runtime/device.js';
import { describeSource } from '../serve/load-model.js';
import { type Summary, summarise } from '../serve/summary.js';
import { formatBytes, formatGigaflops, formatMillions } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import type { CommandContext } from './context.js';
import type { InputSize, NetworkFlags } from './options.js';

export interface SummaryFlags extends NetworkFlags {
  readonly input: InputSize;
  readonly steps?: boolean;
  readonly json?: boolean;
}

/** `ocrnet summary`: no weights are read. */
export async function summary(
  name: string,
  { input, steps = false, json = false, device = 'auto', precision = 'float32', ...network }: SummaryFlags,
  { terminal }: CommandContext,
): Promise<void> {
  const { config } = describeSource(name, network).description;
  const graph = buildSegmenter(config, { ...input, outputs: ['labels'] });
  await using opened = await openUnlessMissing(device, terminal);
  const counted = summarise(graph, { target: opened?.target ?? abstractTarget, precision });
  if (json) terminal.print(JSON.stringify(steps ? counted : { ...counted, steps: undefined }, undefined, 2));
  else terminal.print([...describe(counted), ...(steps ? [stepTable(counted)] : [])].join('\n'));
}

/** A network can be summed up without the addon, save for what its algorithms need besides. */
async function openUnlessMissing(
  device: NonNullable<NetworkFlags['device']>,
  terminal: Terminal,
): Promise<Device | undefined> {
  try {
    return await openDevice({ device });
  } catch (error) {
    if (device !== 'auto' || !(error instanceof OcrnetError) || error.code !== 'DEVICE_UNAVAILABLE')
      throw error;
    terminal.note(
      'ocrnet: warning: no device, so that arenaBytes lacks scratch memory and steps have no algorithms (see ocrnet doctor)',
    );
    return undefined;
  }
}

function describe({ stages, parameters, flops, bytesMoved, weightBytes, arenaBytes }: Summary): string[] {
  const table = new Table({
    head: ['stage', 'output', 'parameters', 'GFLOPs', 'MB moved'],
    colAligns: ['left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const stage of stages)
    table.push([
      stage.path,
      stage.shape.join('x'),
      stage.parameters.toLocaleString('en'),
      formatGigaflops(stage.flops),
      (stage.bytesMoved / 1e6).toFixed(1),
    ]);
  return [
    table.toString(),
    `parameters      ${parameters.toLocaleString('en')} (${formatMillions(parameters)})`,
    `operations      ${formatGigaflops(flops)} GFLOPs, a multiply-add counted as two; ${formatBytes(bytesMoved)} moved`,
    `weights         ${formatBytes(weightBytes)} in float32`,
    `planned memory  ${formatBytes(arenaBytes)} for activations and scratch`,
  ];
}

function stepTable({ steps }: Summary): string {
  const table = new Table({
    head: ['step', 'operation', 'algorithm'],
    style: { head: [], border: [], compact: true },
  });
  for (const { path, operation, algorithm } of steps) table.push([path, operation, algorithm]);
  return table.toString();
}

import { stat } from 'node:fs/promises';
import { loadModel } from '../serve/load-model.js';
import { formatBytes } from '../terminal/format.js';
import type { CommandContext } from './context.js';
import type { InputSize, NetworkFlags } from './options.js';
import { Progress } from './progress.js';

export interface ExportFlags extends NetworkFlags {
  readonly onnx: string;
  readonly input: InputSize;
}

/** `ocrnet export` */
export async function exportModel(
  name: string,
  { onnx, input, ...network }: ExportFlags,
  { terminal }: CommandContext,
): Promise<void> {
  using progress = new Progress(terminal, 2, `loading ${name}`);
  await using model = await loadModel(name, {
    ...network,
    onWarning: (message) => progress.terminal.note(`ocrnet: warning: ${message}`),
  });
  progress.advance(`writing ${onnx}`);
  await model.exportOnnx(onnx, input);
  progress.advance('done');
  const { batch, height, width } = input;
  progress.terminal.print(
    `${onnx}: ${formatBytes((await stat(onnx)).size)}, input "image" uint8 (${batch}, ${height}, ${width}, 3)`,
  );
}

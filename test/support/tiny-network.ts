import { modelConfig } from '../../lib/models/registry.js';
import type { SegmenterConfig } from '../../lib/models/segmenter.js';
import { loadModel } from '../../lib/serve/load-model.js';

/** HRNet-W18-small with a narrow OCR module: quickly loaded, and with random weights it sees several classes. */
export function tinyNetwork(classes: number): SegmenterConfig {
  const { context, ...rest } = modelConfig('ocrnet-hrnet-w18-small', { classes });
  if (context.kind !== 'ocr') throw new Error('expected OCR');
  return { ...rest, context: { ...context, channels: 32, keyChannels: 16 } };
}

/** Writes it as a weights file, with random weights; returns the path. */
export async function saveTinyNetwork(classes: number, path: string): Promise<string> {
  await using model = await loadModel(tinyNetwork(classes), { onWarning: () => {} });
  await model.save(path);
  return path;
}

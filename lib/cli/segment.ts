import { invalidArgument, OcrnetError } from '../errors.js';
import { hasRegions } from '../models/contexts/index.js';
import { defaultModelFile } from '../serve/default-model.js';
import { loadModel } from '../serve/load-model.js';
import type { Model } from '../serve/model.js';
import type { Segmentation } from '../serve/segmentation.js';
import { formatMs, formatShare } from '../terminal/format.js';
import { type CommandContext, exitCodes, formatError } from './context.js';
import type { NetworkFlags } from './options.js';
import { Progress } from './progress.js';
import { makeFolder, resultNames, writeSegmentation } from './segmentation-files.js';

export interface SegmentFlags extends NetworkFlags {
  readonly model?: string;
  readonly out: string;
  readonly regions?: boolean;
  readonly confidence?: boolean;
  readonly json?: boolean;
}

/** What is printed of one picture. */
interface Report {
  readonly image: string;
  readonly width: number;
  readonly height: number;
  /** Of the network alone. */
  readonly networkMs: number;
  /** From file to files; for the first picture of a size the network's compilation is in it. */
  readonly totalMs: number;
  readonly shares: Readonly<Record<string, number>>;
  readonly files: readonly string[];
}

/** While one picture is in the network, another is decoded or encoded. */
const picturesAtOnce = 2;

/** `ocrnet segment`. A picture that fails is reported and the others go on; the exit code tells. */
export async function segment(
  images: readonly string[],
  { out, json = false, regions = false, confidence = false, model: name, ...network }: SegmentFlags,
  { terminal, signal }: CommandContext,
): Promise<number> {
  const names = resultNames(images);
  await makeFolder(out);
  using progress = new Progress(
    json ? { ...terminal, watched: false } : terminal,
    images.length + 1,
    'loading',
  );
  await using model = await loadModel(name ?? defaultModelFile(), {
    ...network,
    onWarning: (message) => progress.terminal.note(`ocrnet: warning: ${message}`),
  });
  if (regions && !hasRegions(model.config.context))
    throw invalidArgument('--regions', 'a network with object regions (ocrnet-…)', name);
  progress.advance('segmenting');

  let failed = false;
  const reports = await mapInOrder(images, picturesAtOnce, async (image, index) => {
    try {
      const report = await segmentOne(model, image, { regions, confidence, signal }, [
        out,
        names[index] as string,
      ]);
      if (!json) progress.terminal.print(describe(report));
      return report;
    } catch (error) {
      if (signal.aborted) throw new OcrnetError('ABORTED', 'Interrupted');
      failed = true;
      const line = formatError(error);
      progress.terminal.note(line.includes(image) ? line : line.replace('ocrnet: ', `ocrnet: ${image}: `));
      return undefined;
    } finally {
      progress.advance(image);
    }
  });
  const succeeded = reports.filter((report) => report !== undefined);
  if (json) progress.terminal.print(JSON.stringify(succeeded, undefined, 2));
  return failed ? exitCodes.failure : exitCodes.success;
}

async function segmentOne(
  model: Model,
  image: string,
  options: { regions: boolean; confidence: boolean; signal: AbortSignal },
  [folder, name]: [folder: string, name: string],
): Promise<Report> {
  const startMs = performance.now();
  const segmentation = await model.segment(image, options);
  const files = await writeSegmentation(segmentation, folder, name);
  const { width, height, networkMs } = segmentation;
  const totalMs = performance.now() - startMs;
  return { image, width, height, networkMs, totalMs, shares: sharesByName(segmentation), files };
}

/** Classes that occur, the largest first. */
export function sharesByName(segmentation: Segmentation): Record<string, number> {
  const shares = segmentation.shares();
  return Object.fromEntries(
    segmentation.classes
      .map(({ name }, label) => [name, shares[label] as number] as const)
      .filter(([, share]) => share > 0)
      .sort(([, a], [, b]) => b - a),
  );
}

const shownClasses = 5;

function describe({ image, width, height, networkMs, totalMs, shares, files }: Report): string {
  const entries = Object.entries(shares);
  const classes = entries.slice(0, shownClasses).map(([name, share]) => `${name} ${formatShare(share)}`);
  const more = entries.length > shownClasses ? `, ${entries.length - shownClasses} more` : '';
  const [labels = '', overlay = '', ...others] = files;
  const rest = others.length > 0 ? ` and ${others.length} more` : '';
  return [
    `${image}: ${width}x${height}, network ${formatMs(networkMs)}, in all ${formatMs(totalMs)}`,
    `  ${classes.join(', ')}${more}`,
    `  ${labels}, ${overlay}${rest}`,
  ].join('\n');
}

/** As Promise.all over `items`, with at most `atOnce` of them under way. */
async function mapInOrder<T, R>(
  items: readonly T[],
  atOnce: number,
  task: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  const work = async () => {
    for (const [index, item] of waiting) results[index] = await task(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}

import sharp from 'sharp';
import { invalidArgument } from '../errors.js';
import type { ClassInfo } from '../image/class-info.js';
import type { RgbImage } from '../image/decode.js';
import { suggest } from '../nearest.js';
import { renderExplanation } from '../report/explanation-page.js';
import { relationSvg } from '../report/relation-chart.js';
import { defaultModelFile } from '../serve/default-model.js';
import type { Explanation, PixelPlace } from '../serve/explanation.js';
import { loadModel } from '../serve/load-model.js';
import { formatMs, formatShare } from '../terminal/format.js';
import type { CommandContext } from './context.js';
import type { NetworkFlags } from './options.js';
import { makeFolder, regionEnding, resultNames, writeResult } from './segmentation-files.js';

export interface ExplainFlags extends NetworkFlags {
  readonly model?: string;
  readonly out: string;
  readonly pixel?: PixelPlace;
  readonly class?: readonly string[];
  readonly json?: boolean;
}

/** `ocrnet explain` */
export async function explain(
  image: string,
  { out, json = false, pixel, class: names, model: name, ...network }: ExplainFlags,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const [stem] = resultNames([image]) as [string];
  await using model = await loadModel(name ?? defaultModelFile(), {
    ...network,
    onWarning: (message) => terminal.note(`ocrnet: warning: ${message}`),
  });
  const labels = names && labelsOf(names, model.classes);
  const explanation = await model.explain(image, { ...(pixel && { pixel }), signal });
  await makeFolder(out);
  const page = await renderExplanation({
    model: name ?? 'the network that comes with ocrnet',
    classes: model.classes,
    example: { ...explanation.example(stem), ...(labels && { regionClasses: labels }) },
    networkMs: explanation.networkMs,
  });
  const files = await writeExplanation(explanation, labels, out, stem);
  const html = await writeResult(out, `${stem}.explanation.html`, async () => page);
  const said = { image, ...describe(explanation), page: html, files };
  terminal.print(json ? JSON.stringify(said, undefined, 2) : inWords(said));
}

/** The labels of classes that are called by name. */
function labelsOf(names: readonly string[], classes: readonly ClassInfo[]): number[] {
  const known = classes.map(({ name }) => name);
  return names.map((name) => {
    const label = known.indexOf(name);
    if (label < 0) throw invalidArgument('--class', suggest('a class of the network', name, known), name);
    return label;
  });
}

/** Writes the pictures, one after another: of large ones each takes tens of megabytes. Returns their paths. */
async function writeExplanation(
  explanation: Explanation,
  labels: readonly number[] | undefined,
  folder: string,
  name: string,
): Promise<string[]> {
  const { classes, pixel } = explanation;
  const opaque = { alpha: 0.7 };
  const files: [ending: string, content: () => Promise<Uint8Array | string>][] = [
    ['with-context.png', () => encode(explanation.overlay(opaque))],
    ['without-context.png', () => encode(explanation.overlayWithoutContext(opaque))],
    ['changes.png', () => encode(explanation.changesOverlay())],
    ['context.png', async () => encode(await explanation.contextOverlay())],
    ['relation.svg', async () => relationSvg({ classes, relation: pixel.relation, label: pixel.label })],
    ...(labels ?? classes.map((_, label) => label)).map(
      (label) =>
        [regionEnding(classes, label), async () => encode(await explanation.regionOverlay(label))] as [
          string,
          () => Promise<Uint8Array>,
        ],
    ),
  ];
  const paths: string[] = [];
  for (const [ending, content] of files) paths.push(await writeResult(folder, `${name}.${ending}`, content));
  return paths;
}

const encode = ({ data, width, height }: RgbImage): Promise<Uint8Array> =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 3 })
    .toBuffer();

/** What is printed of it. */
function describe({ width, height, networkMs, changedShare, pixel, classes }: Explanation) {
  const nameOf = (label: number) => classes[label]?.name ?? String(label);
  const relation = [...pixel.relation.entries()].sort(([, a], [, b]) => b - a);
  return {
    ...{ width, height, networkMs, changedShare },
    pixel: {
      x: pixel.x,
      y: pixel.y,
      class: nameOf(pixel.label),
      classWithoutContext: nameOf(pixel.labelWithoutContext),
      relation: Object.fromEntries(relation.map(([label, share]) => [nameOf(label), share])),
    },
  };
}

const shownRegions = 3;

function inWords({
  image,
  ...said
}: ReturnType<typeof describe> & { image: string; page: string; files: readonly string[] }): string {
  const { pixel } = said;
  const regions = Object.entries(pixel.relation).slice(0, shownRegions);
  const before =
    pixel.class === pixel.classWithoutContext
      ? 'with context and without'
      : `${pixel.classWithoutContext} without context`;
  return [
    `${image}: ${said.width}x${said.height}, network ${formatMs(said.networkMs)}`,
    `  context changes ${formatShare(said.changedShare)} of the pixels`,
    `  pixel ${pixel.x},${pixel.y}: ${pixel.class}, ${before}; takes ${regions.map(([name, share]) => `${formatShare(share)} of ${name}`).join(', ')}`,
    `  ${said.page} and ${said.files.length} pictures`,
  ].join('\n');
}

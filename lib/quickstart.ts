import { basename, extname, join } from 'node:path';
import sharp from 'sharp';
import { classBars } from './cli/class-bars.js';
import { formatError } from './cli/context.js';
import { makeFolder, writeSegmentation } from './cli/segmentation-files.js';
import { invalidArgument } from './errors.js';
import { writeFileAtomic } from './files.js';
import { renderScene } from './image/render-scene.js';
import { hasRegions } from './models/contexts/index.js';
import { defaultModelFile } from './serve/default-model.js';
import { loadModel } from './serve/load-model.js';
import { formatMs } from './terminal/format.js';
import { processTerminal } from './terminal/terminal.js';

const folder = join('out', 'quickstart');

/** `npm run quickstart [-- picture]`: segments the picture, or a street that it renders, and shows what came out. */
export async function quickstart(args: readonly string[], terminal = processTerminal): Promise<void> {
  try {
    if (args.length > 1)
      throw invalidArgument('arguments', 'one picture at most (npx ocrnet segment takes many)', args);
    await makeFolder(folder);
    const picture = args[0] ?? (await renderPicture());
    await using model = await loadModel(defaultModelFile());
    const startMs = performance.now();
    const segmentation = await model.segment(picture, { regions: hasRegions(model.config.context) });
    const name = basename(picture, extname(picture));
    const files = await writeSegmentation(segmentation, folder, name);
    const totalMs = performance.now() - startMs;
    const { width, height, networkMs } = segmentation;
    const regions = files.filter((file) => file.includes('.region-')).length;
    terminal.print(
      [
        '',
        `${picture}: ${width}x${height}, network ${formatMs(networkMs)} on ${model.device.description}, in all ${formatMs(totalMs)}`,
        '',
        ...classBars(segmentation, terminal),
        '',
        ...files.filter((file) => !file.includes('.region-')).map((file) => `  ${file}`),
        ...(regions > 0 ? [`  ${join(folder, name)}.region-*.png: the ${regions} soft object regions`] : []),
        '',
        'Next:',
        '  npm run quickstart -- picture.jpg                          a picture of yours',
        '  npx ocrnet segment *.jpg --out results                     many',
        '  npx ocrnet summary ocrnet-hrnet-w48 --input 1x512x1024x3   what a network costs',
        '  npx ocrnet doctor                                          what this machine has',
      ].join('\n'),
    );
  } catch (error) {
    terminal.note(formatError(error));
    process.exitCode = 1;
  }
}

async function renderPicture(): Promise<string> {
  const { data, width, height } = renderScene();
  const path = join(folder, 'picture.png');
  await writeFileAtomic(
    path,
    await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
  );
  return path;
}

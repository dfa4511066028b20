import type { RgbImage } from '../image/decode.js';
import type { SegmenterConfig } from '../models/segmenter.js';
import { initialiser } from '../nn/initialise.js';
import type { Device } from '../runtime/device.js';
import type { Program } from '../runtime/program.js';
import { createModel } from '../serve/load-model.js';
import type { Model } from '../serve/model.js';

const warmUps = 2;
const runs = 9;

/**
 * Milliseconds that networks take for the labels of one picture, medians. They take turns, so that a machine whose speed drifts
 * is fair to all; their weights are random, for time does not depend on them.
 *
 * @throws OcrnetError OUT_OF_MEMORY, ABORTED
 */
export async function timePictures(
  configs: readonly SegmenterConfig[],
  { data, width, height }: RgbImage,
  { device, signal }: { readonly device: Device; readonly signal?: AbortSignal | undefined },
): Promise<number[]> {
  const times: number[][] = configs.map(() => []);
  const models: Model[] = [];
  const programs: Program[] = [];
  try {
    for (const config of configs) {
      const model = createModel({ config }, initialiser(1), device);
      models.push(model);
      programs.push(await model.compile({ batch: 1, height, width, outputs: ['labels'] }));
    }
    for (let run = 0; run < warmUps + runs; run++)
      for (const [i, program] of programs.entries()) {
        const { elapsedMs } = await program.run({ image: data }, { signal });
        if (run >= warmUps) times[i]?.push(elapsedMs);
      }
  } finally {
    for (const program of programs) program.dispose();
    await Promise.all(models.map((model) => model.dispose()));
  }
  return times.map((list) => list.toSorted((a, b) => a - b)[runs >> 1] as number);
}

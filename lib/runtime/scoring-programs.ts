import type { Labels } from '../evaluate/confusion.js';
import type { ScoringNetwork } from '../evaluate/multi-scale.js';
import type { ScoreMap, Size } from '../evaluate/score-map.js';
import type { RgbImage } from '../image/decode.js';
import type { Device } from './device.js';
import { ops } from './operations.js';
import type { Program } from './program.js';
import { ProgramCache } from './program-cache.js';

export interface ScoringOptions {
  readonly device: Device;
  readonly classes: number;
  /** Of resizes. */
  readonly alignCorners: boolean;
  /** Makes the program for batches of one picture of this size, with input "image" and the one output. */
  compile(size: Size, output: 'labels' | 'logits'): Promise<Program>;
}

/** Multi-scale testing sees each picture at six or seven sizes; pictures of one size are common. */
const mostPrograms = 8;

/** A network as evaluation wants it, whoever holds its weights: programs by picture size, and operations on its scores. */
export class ScoringPrograms implements ScoringNetwork, Disposable {
  readonly classes: number;
  readonly #options: ScoringOptions;
  readonly #programs = new ProgramCache(mostPrograms);

  constructor(options: ScoringOptions) {
    this.#options = options;
    this.classes = options.classes;
  }

  /** The class of each pixel, at the picture's size. `truth` are the true ones, for networks that are told them. */
  async labels(picture: RgbImage, signal?: AbortSignal, truth?: Labels): Promise<Labels> {
    const told = truth && { labels: truth };
    return await this.#run(picture, 'labels', signal, ({ labels }) => labels as Labels, told);
  }

  /** Scores before softmax, at the network's own size. */
  async scores(picture: RgbImage, signal?: AbortSignal): Promise<ScoreMap> {
    return await this.#run(picture, 'logits', signal, ({ logits }, program) => {
      const [, height = 0, width = 0] = program.outputShape('logits') ?? [];
      return { data: logits as Float32Array, height, width, classes: this.classes };
    });
  }

  /** Bilinear, plus `sum` of that size. */
  async resize(scores: ScoreMap, { height, width }: Size, sum?: ScoreMap): Promise<ScoreMap> {
    const { device, alignCorners } = this.#options;
    const inputs = { x: tensorOf(scores), ...(sum && { residual: tensorOf(sum) }) };
    const { y } = await ops.resizeBilinear(inputs, { height, width, alignCorners }, { device });
    return { data: y.data as Float32Array, height, width, classes: this.classes };
  }

  /** Resizes and takes the class of the largest score. */
  async argmax(scores: ScoreMap, { height, width }: Size): Promise<Labels> {
    const { device, alignCorners } = this.#options;
    const labelType = this.classes <= 256 ? 'uint8' : 'uint16';
    const { labels } = await ops.resizeArgmax(
      { logits: tensorOf(scores) },
      { height, width, alignCorners, labelType },
      { device },
    );
    return labels.data as Labels;
  }

  [Symbol.dispose](): void {
    this.#programs.clear();
  }

  async #run<T>(
    { data, height, width }: RgbImage,
    output: 'labels' | 'logits',
    signal: AbortSignal | undefined,
    use: (outputs: Awaited<ReturnType<Program['run']>>['outputs'], program: Program) => T,
    more: Readonly<Record<string, Labels>> = {},
  ): Promise<T> {
    return await this.#programs.use(
      `${output} ${height}x${width}`,
      () => this.#options.compile({ height, width }, output),
      async (program) => use((await program.run({ image: data, ...more }, { signal })).outputs, program),
    );
  }
}

const tensorOf = ({ data, height, width, classes }: ScoreMap) => ({
  data,
  shape: [1, height, width, classes],
});

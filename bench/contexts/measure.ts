import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import { checkpointTensors } from '../../lib/checkpoint/weights.js';
import { parameterCount } from '../../lib/compile/cost.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule } from '../../lib/models/contexts/index.js';
import { paperFlops } from '../../lib/models/contexts/paper-flops.js';
import { type Contender, interleave } from '../interleave.js';
import type { LineProcess } from '../line-process.js';
import { relativeDistance } from '../relative-distance.js';
import { type ContextModule, formatInput } from './modules.js';
import type { Layout, OursReady, SideMemory, SideOptions, SideRun } from './side.js';
import { openPyTorch, type PyTorchSide, startOurs } from './sides.js';
import { syntheticWeights } from './synthetic.js';

export interface MeasureOptions extends Omit<SideOptions, 'kind' | 'plain'> {
  /** Counted runs of each contender. */
  readonly runs: number;
  /** `algebra` as the compiler does by default, `plain` without its algebra; `both` where their plans differ. */
  readonly form: 'algebra' | 'plain' | 'both';
  /** A Python that imports torch: PyTorch runs in turn with ours. */
  readonly python?: string | undefined;
  /** The most that a first run may take. */
  readonly limitMs?: number | undefined;
}

/** A module's plan, and what it took. Memory is beyond the input and the weights. */
export interface FormResult extends Omit<OursReady, 'steps'>, SideMemory {
  readonly medianMs: number;
}

export interface PyTorchResult extends SideMemory {
  /** "PyTorch 1.13.1". */
  readonly peer: string;
  /** The faster one. */
  readonly layout: Layout;
  readonly medianMs: number;
  /** PyTorch's median over ours. */
  readonly ratio: number;
  /** ‖ours − PyTorch's‖ / ‖PyTorch's‖ of the representations. */
  readonly relativeError: number;
}

export interface ModuleResult extends FormResult {
  readonly module: string;
  readonly kind: ContextModule['kind'];
  /** N×C×H×W. */
  readonly input: string;
  readonly parameters: number;
  readonly flopsPaperCounting: number;
  /** Without the compiler's algebra, where that is another plan. */
  readonly plain?: FormResult;
  readonly pytorch?: PyTorchResult;
  /** Why PyTorch's side is absent. */
  readonly skipped?: string;
  readonly paper: ContextModule['paper'];
}

/**
 * Runs one module on each side, in turn, every side in a process of its own.
 *
 * @throws OcrnetError EXECUTION_FAILED where our side fails, ABORTED where its first run passes the limit
 */
export async function measureModule(module: ContextModule, options: MeasureOptions): Promise<ModuleResult> {
  const { name, kind, paper } = module;
  const config = contextConfig(kind);
  const sides = new Sides(kind, options);
  try {
    const measured = await sides.measure();
    return {
      module: name,
      kind,
      input: formatInput(options.size),
      parameters: parameterCount(buildContextModule(options.size, config)),
      flopsPaperCounting: paperFlops(options.size, config),
      ...measured,
      paper,
    };
  } finally {
    await sides.close();
  }
}

/** One of our forms, loaded, its first run done. */
interface OurSide extends Omit<FormResult, 'medianMs'> {
  readonly side: LineProcess;
  readonly steps: string;
}

/** The contenders of one module, open at once so that they can run in turn. */
class Sides {
  readonly #kind: ContextModule['kind'];
  readonly #options: MeasureOptions;
  readonly #open: LineProcess[] = [];

  constructor(kind: ContextModule['kind'], options: MeasureOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  async measure(): Promise<FormResult & Pick<ModuleResult, 'plain' | 'pytorch' | 'skipped'>> {
    const { form, python, runs } = this.#options;
    const folder = await mkdtemp(join(tmpdir(), 'ocrnet-bench-'));
    try {
      const ours = await this.#openOurs(form === 'plain');
      const plain = form === 'both' ? await this.#openPlain(ours.steps) : undefined;
      const peer = python === undefined ? undefined : await this.#openPyTorch(python, folder);
      const pytorch = peer && 'side' in peer ? peer : undefined;
      const median = await mediansOf([ours, plain, pytorch], runs);
      return {
        ...formResult(ours, median(ours)),
        ...(plain && { plain: formResult(plain, median(plain)) }),
        ...(pytorch && {
          pytorch: {
            ...peerResult(pytorch, median(pytorch)),
            ratio: median(pytorch) / median(ours),
            relativeError: await relativeError(ours.side, pytorch.side, folder),
          },
        }),
        ...(peer && 'skipped' in peer && peer),
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    for (const side of this.#open) await side.close();
  }

  #side(plain: boolean): SideOptions {
    const { size, precision, device, threads } = this.#options;
    return { kind: this.#kind, size, precision, plain, device, threads };
  }

  async #openOurs(plain: boolean): Promise<OurSide> {
    const side = startOurs(this.#side(plain));
    this.#open.push(side);
    const ready = await side.answer<OursReady>();
    return { side, ...ready, ...(await side.ask<SideMemory>('measure', this.#options.limitMs)) };
  }

  /** Undefined where the plan is the same. */
  async #openPlain(steps: string): Promise<OurSide | undefined> {
    const plain = await this.#openOurs(true);
    if (plain.steps !== steps) return plain;
    await plain.side.close();
    return undefined;
  }

  /** What PyTorch cannot do here, such as holding a map of all pixels to all, is a result too. */
  async #openPyTorch(python: string, folder: string): Promise<PyTorchSide | { skipped: string }> {
    const { size, limitMs } = this.#options;
    const weightsFile = join(folder, 'weights.safetensors');
    const graph = buildContextModule(size, contextConfig(this.#kind));
    await writeSafetensors(weightsFile, checkpointTensors(graph, syntheticWeights()));
    try {
      const pytorch = await openPyTorch({ ...this.#side(true), python, weightsFile, limitMs });
      this.#open.push(pytorch.side);
      return pytorch;
    } catch (error) {
      // Of a traceback, what it says at the end.
      return { skipped: (error as Error).message.trim().split('\n').at(-1) as string };
    }
  }
}

interface Side {
  readonly side: LineProcess;
}

/** By side. Each has run before: what a first run prepares is not counted. */
async function mediansOf(
  sides: readonly (Side | undefined)[],
  runs: number,
): Promise<(side: Side) => number> {
  const present = sides.filter((one) => one !== undefined);
  const contenders = present.map(
    ({ side }): Contender =>
      async () =>
        (await side.ask<SideRun>('run')).ms,
  );
  const medians = await interleave(contenders, { runs, warmups: 0, restMs: 300 });
  return (side) => medians[present.indexOf(side)] as number;
}

function formResult({ side: _, steps: __, ...measured }: OurSide, medianMs: number): FormResult {
  return { ...measured, medianMs };
}

function peerResult({ side: _, ...measured }: PyTorchSide, medianMs: number) {
  return { ...measured, medianMs };
}

async function relativeError(ours: LineProcess, theirs: LineProcess, folder: string): Promise<number> {
  const [a, b] = [join(folder, 'ours'), join(folder, 'theirs')];
  await ours.ask(`save ${a}`);
  await theirs.ask(`save ${b}`);
  return relativeDistance(floats(await readFile(a)), floats(await readFile(b)));
}

const floats = ({ buffer, byteOffset, byteLength }: Buffer): Float32Array =>
  new Float32Array(buffer, byteOffset, byteLength / 4);

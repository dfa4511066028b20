import { access, constants } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Precision, precisions } from '../../lib/compile/passes/assign-precision.js';
import { OcrnetError } from '../../lib/errors.js';
import { notWritten, writeFileAtomic } from '../../lib/files.js';
import { type DeviceName, describeMachine, openDevice } from '../../lib/runtime/device.js';
import { provenance } from '../machine.js';
import { parseCount, sizeOption } from '../options.js';
import { findPyTorch } from '../peers/pytorch.js';
import type { About } from './about.js';
import { complexityPicture } from './complexity-picture.js';
import { complexityMarkdown } from './complexity-table.js';
import { type MeasureOptions, type ModuleResult, measureModule } from './measure.js';
import { type ContextModule, contextModules, paperSize } from './modules.js';
import { measureScaling, type ScalingResult } from './scaling.js';
import { scalingPicture } from './scaling-picture.js';
import { scalingMarkdown } from './scaling-table.js';

/** Each by its name, so that results tell where they come from. */
const devices = ['cpu', 'cuda'] as const satisfies readonly DeviceName[];

interface CommonFlags {
  readonly modules: readonly ContextModule[];
  readonly channels: number;
  readonly classes: number;
  readonly device: (typeof devices)[number];
  readonly precision: Precision;
  readonly plain?: boolean;
  readonly against?: 'pytorch';
  readonly threads?: number;
  readonly runs: number;
  readonly json?: true;
  readonly out?: string;
}

interface ComplexityFlags extends CommonFlags {
  readonly size: { readonly height: number; readonly width: number };
}

interface ScalingFlags extends CommonFlags {
  readonly sizes: readonly number[];
  /** Seconds. */
  readonly limit: number;
}

/** Declares `complexity` and `scaling`. */
export function addContextCommands(program: Command): void {
  const { height, width } = paperSize;
  common(program.command('complexity'), 7, 'print JSON: a list of {module, parameters, …, paper}')
    .description("measures each context module beside the paper's Table 4")
    .addOption(sizeOption('--size <HxW>', 'of the features, in pixels', `${height}x${width}`))
    .action(complexity);
  common(program.command('scaling'), 3, 'print JSON: a list of {module, points, exponents, skipped}')
    .description('measures how time and memory of each context module grow with the features')
    .addOption(
      new Option('--sizes <sides>', 'of square features, in pixels')
        .argParser(parseSides)
        .default([32, 64, 128, 256, 512], '32,64,128,256,512'),
    )
    .option('--limit <seconds>', 'where one run takes longer, no larger size is tried', parseCount, 120)
    .action(scaling);
}

function common(command: Command, runs: number, json: string): Command {
  return command
    .addOption(
      new Option('--modules <kinds>', 'with commas between them')
        .argParser(parseModules)
        .default(contextModules, contextModules.map(({ kind }) => kind).join(',')),
    )
    .option('--channels <count>', 'of the features', parseCount, paperSize.channels)
    .option('--classes <count>', "K, of OCR's regions", parseCount, paperSize.classes)
    .addOption(new Option('--device <name>', 'where ours runs').choices(devices).default('cpu'))
    .addOption(new Option('--precision <type>', 'of activations').choices(precisions).default('float32'))
    .option('--plain', "only without the compiler's algebra")
    .addOption(new Option('--against <peer>', 'also time this peer, in turn with ours').choices(['pytorch']))
    .option('--threads <count>', 'of the processor, for both (default: its cores)', parseCount)
    .option('--runs <count>', 'counted runs of each', parseCount, runs)
    .option('--json', json)
    .option('--out <file>', 'also write FILE with machine, commit and date, and beside it .md and .svg');
}

export function parseModules(text: string): ContextModule[] {
  return text.split(',').map((kind) => {
    const found = contextModules.find((module) => module.kind === kind);
    if (found) return found;
    const kinds = contextModules.map((module) => module.kind).join(', ');
    throw new InvalidArgumentError(`Expected some of ${kinds}, with commas between them.`);
  });
}

/** Ascending, each once. */
export function parseSides(text: string): number[] {
  return [...new Set(text.split(',').map(parseCount))].sort((a, b) => a - b);
}

async function complexity(flags: ComplexityFlags): Promise<void> {
  const { options, about } = await prepare(flags);
  const { channels, classes } = flags;
  const size = { batch: 1, ...flags.size, channels, classes };
  await report(
    flags,
    (module) => {
      note(`${module.name} …`);
      return measureModule(module, { ...options, size, form: flags.plain ? 'plain' : 'both' });
    },
    {
      markdown: (results: readonly ModuleResult[]) => complexityMarkdown(results, about),
      picture: (results) => complexityPicture(results, about),
    },
  );
}

async function scaling(flags: ScalingFlags): Promise<void> {
  const { options, about } = await prepare(flags);
  const { sizes: sides, channels, classes, limit } = flags;
  const limitMs = 1000 * limit;
  const aboutScaling = { ...about, limitMs };
  await report(
    flags,
    (module) =>
      measureScaling(module, {
        ...options,
        form: flags.plain ? 'plain' : 'algebra',
        ...{ sides, channels, classes, limitMs },
        onSide: (side) => note(`${module.name} ${side}² …`),
      }),
    {
      markdown: (results: readonly ScalingResult[]) => scalingMarkdown(results, aboutScaling),
      picture: (results) => scalingPicture(results, aboutScaling),
    },
  );
}

/** Says before anything is measured what cannot be: a precision, a peer that is not there, a file that cannot be written. */
async function prepare(
  flags: CommonFlags,
): Promise<{ options: Omit<MeasureOptions, 'size' | 'form'>; about: About }> {
  const { device, precision, runs, against, out, plain = false } = flags;
  const threads = flags.threads ?? (device === 'cpu' ? availableParallelism() : undefined);
  await using opened = await openDevice({ device, ...(threads !== undefined && { threads }) });
  opened.requirePrecision(precision);
  const found = against === 'pytorch' ? findPyTorch() : undefined;
  if (found && 'reason' in found) throw new OcrnetError('UNSUPPORTED', found.reason);
  if (out !== undefined)
    await access(dirname(out), constants.W_OK).catch((error) => {
      throw notWritten(out, error);
    });
  const machine = device === 'cpu' ? describeMachine().cpuModel : opened.description;
  return {
    options: { device, precision, threads, runs, python: found?.python },
    about: { machine, device, precision, threads, runs, plain },
  };
}

interface Forms<Result> {
  readonly markdown: (results: readonly Result[]) => string;
  readonly picture: (results: readonly Result[]) => string;
}

/** Measures module after module. The files are written after each, so that an end before the last loses none of them. */
async function report<Result>(
  { modules, out, json, ...options }: CommonFlags,
  measure: (module: ContextModule) => Promise<Result>,
  { markdown, picture }: Forms<Result>,
): Promise<void> {
  const results: Result[] = [];
  const about = provenance();
  for (const module of modules) {
    results.push(await measure(module));
    if (out === undefined) continue;
    const base = out.replace(/\.json$/, '');
    await writeFileAtomic(`${base}.json`, `${JSON.stringify({ ...about, options, results }, null, 2)}\n`);
    await writeFileAtomic(`${base}.md`, markdown(results));
    await writeFileAtomic(`${base}.svg`, picture(results));
  }
  console.log(json ? JSON.stringify(results, null, 2) : markdown(results).trimEnd());
}

/** Progress, beside what programs read. */
const note = (text: string) => process.stderr.write(`${text}\n`);

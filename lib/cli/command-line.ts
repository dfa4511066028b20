import { Command, CommanderError } from 'commander';
import type { ErrorCode } from '../errors.js';
import { version } from '../version.js';
import {
  classesOption,
  deviceOption,
  formOption,
  inputOption,
  precisionOption,
  threadsOption,
  weightsOption,
} from './options.js';
import type { Terminal } from './terminal.js';

/** What every command gets besides its own arguments. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

const exitCodeOf: ReadonlyMap<string, number> = new Map<ErrorCode, number>([
  ['INVALID_ARGUMENT', exitCodes.usage],
  ['ABORTED', exitCodes.interrupted],
]);

/** Runs `ocrnet` with these arguments; never throws. The result is the process's exit code. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<number> {
  let exitCode: number = exitCodes.success;
  const program = describeCommands(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportFailure(error, context.terminal);
  }
}

/** The commands; what runs them is loaded when it is called for, so that `--help` is quick and `doctor` always starts. */
function describeCommands(context: CommandContext, exitWith: (code: number) => void): Command {
  const program = new Command('ocrnet')
    .description('Semantic segmentation with object-contextual representations.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.terminal.print(text.trimEnd()),
      writeErr: (text) => context.terminal.note(text.trimEnd()),
      // Said in one line at the end, as every other error.
      outputError: () => {},
    });

  program
    .command('segment')
    .description('find the class of every pixel of pictures; writes labels and overlays')
    .argument('<images...>', 'JPEG, PNG, WebP, TIFF, AVIF or GIF files')
    .option('--model <model>', 'a name, or a weights file; by default the trained network that ocrnet brings')
    .addOption(classesOption())
    .addOption(formOption())
    .addOption(weightsOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(precisionOption())
    .option('--out <dir>', 'folder for the files', 'out')
    .option('--regions', 'also the soft object region of each class')
    .option('--confidence', "also the probability of each pixel's label")
    .option('--json', 'print one JSON document')
    .action(async (images, flags) => {
      const { segment } = await import('./segment.js');
      exitWith(await segment(images, flags, context));
    });

  program
    .command('summary')
    .description('parameters, operations and memory of a network, before anything runs')
    .argument('<model>', 'a name, or a weights file')
    .addOption(inputOption().makeOptionMandatory())
    .addOption(classesOption())
    .addOption(formOption())
    .addOption(precisionOption())
    .addOption(deviceOption())
    .option('--steps', 'also the algorithm of each step')
    .option('--json', 'print one JSON document')
    .action(async (model, flags) => {
      const { summary } = await import('./summary.js');
      await summary(model, flags, context);
    });

  program
    .command('export')
    .description('write a network with its weights as ONNX, from picture bytes to class scores')
    .argument('<model>', 'a name, or a weights file')
    .requiredOption('--onnx <file>', 'the file to write')
    .addOption(inputOption().default({ batch: 1, height: 512, width: 1024 }, '1x512x1024x3'))
    .addOption(classesOption())
    .addOption(formOption())
    .addOption(weightsOption())
    .action(async (model, flags) => {
      const { exportModel } = await import('./export.js');
      await exportModel(model, flags, context);
    });

  program
    .command('doctor')
    .description('what this machine has, what is missing and how to get it')
    .option('--json', 'print one JSON document')
    .action(async (flags) => {
      const { doctor } = await import('./doctor.js');
      exitWith(await doctor(flags, context));
    });

  return program;
}

/** Says in one line what went wrong. */
function reportFailure(error: unknown, { note }: Terminal): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCodes.success;
    // Called without a command it has printed its help.
    if (error.code !== 'commander.help') note(formatError(error));
    return exitCodes.usage;
  }
  note(formatError(error));
  return exitCodeOf.get(codeOf(error)) ?? exitCodes.failure;
}

/** `ocrnet: message [CODE]`; with OCRNET_DEBUG in the environment the stack as well. */
export function formatError(error: unknown): string {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const oneLine = message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  const line = `ocrnet: ${oneLine} [${codeOf(error)}]`;
  return process.env.OCRNET_DEBUG ? `${line}\n${stack}` : line;
}

/** The OcrnetError's code, or Node's own. */
function codeOf(error: unknown): string {
  if (error instanceof CommanderError) return 'INVALID_ARGUMENT' satisfies ErrorCode;
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : 'INTERNAL';
}

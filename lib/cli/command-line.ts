import { Command } from 'commander';
import { version } from '../version.js';
import { type CommandContext, exitCodes, reportFailure } from './context.js';
import {
  absentOption,
  addDeviceOptions,
  addNetworkOptions,
  classesOption,
  contextOption,
  deviceOption,
  formOption,
  inputOption,
  mergeOption,
  optimiserOption,
  pixelOption,
  precisionOption,
  recomputeOption,
  scalesOption,
  seedsOption,
  strideOption,
  weightsOption,
  windowOption,
} from './options.js';

/** Runs `ocrnet` with these arguments; never throws. The result is the process's exit code. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<number> {
  let exitCode: number = exitCodes.success;
  const program = describeCommands(context, await listsFor(args), (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportFailure(error, context.terminal);
  }
}

/** What the help of commands lists, read only where help is called for. */
interface Lists {
  readonly recipes: string;
  readonly tables: string;
}

async function listsFor(args: readonly string[]): Promise<Lists> {
  if (!args.some((arg) => ['help', '--help', '-h'].includes(arg))) return { recipes: '', tables: '' };
  const { recipeHelp, tableHelp } = await import('./recipe-help.js');
  return { recipes: recipeHelp(), tables: tableHelp() };
}

/** The commands; what runs them is loaded when it is called for, so that `--help` is quick and `doctor` always starts. */
function describeCommands(context: CommandContext, lists: Lists, exitWith: (code: number) => void): Command {
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

  addNetworkOptions(
    program
      .command('segment')
      .description('find the class of every pixel of pictures; writes labels and overlays')
      .argument('<images...>', 'JPEG, PNG, WebP, TIFF, AVIF or GIF files'),
  )
    .option('--out <dir>', 'folder for the files', 'out')
    .option('--regions', 'also the soft object region of each class')
    .option('--confidence', "also the probability of each pixel's label")
    .option('--json', 'print one JSON document')
    .action(async (images, flags) => {
      const { segment } = await import('./segment.js');
      exitWith(await segment(images, flags, context));
    });

  addNetworkOptions(
    program
      .command('explain')
      .description(
        'show what a network sees in a picture: object regions, where a pixel takes its context from',
      )
      .argument('<picture>', 'a JPEG, PNG, WebP, TIFF, AVIF or GIF file')
      .addOption(pixelOption())
      .option('--class <name...>', 'of which to show the object regions (default: all)'),
  )
    .option('--out <dir>', 'folder for the files', 'out')
    .option('--json', 'print one JSON document')
    .action(async (picture, flags) => {
      const { explain } = await import('./explain.js');
      await explain(picture, flags, context);
    });

  addNetworkOptions(
    program
      .command('evaluate')
      .description('measure a network on labelled pictures: mIoU and accuracy, by class')
      .requiredOption('--data <dir>', 'data set: a folder with images/SPLIT, labels/SPLIT and dataset.yaml')
      .option('--split <name>', 'the part of it to measure on', 'val')
      .option('--dataset <kind>', 'what a folder without dataset.yaml holds, as camvid or cityscapes')
      .option('--flip', 'also sees each picture mirrored')
      .addOption(scalesOption())
      .addOption(windowOption())
      .addOption(strideOption())
      .addOption(mergeOption())
      .addOption(absentOption()),
  )
    .option('--json', 'print one JSON document')
    .action(async (flags) => {
      const { evaluate } = await import('./evaluate.js');
      await evaluate(flags, context);
    });

  addDeviceOptions(
    program
      .command('train')
      .description('train a network as a recipe says; writes the model, a report, a log and checkpoints')
      .argument(
        '<recipe>',
        'one that ocrnet brings (scenes, small, camvid, …; table-1/da-scheme, …), or a .yaml file',
      )
      .option('--data <dir>', 'data set: a folder with images/SPLIT, labels/SPLIT and dataset.yaml')
      .requiredOption('--out <dir>', 'folder of the training')
      .option('--resume', 'go on with the training in that folder')
      .option('--set <key=value...>', 'changes of the recipe, as schedule.rate=0.01'),
  )
    .option('--json', 'print one JSON document')
    .addHelpText('after', lists.recipes)
    .action(async (recipe, flags) => {
      const { train } = await import('./train.js');
      exitWith(await train(recipe, flags, context));
    });

  addDeviceOptions(
    program
      .command('ablate')
      .description(
        'train the rows of one of the paper’s tables with one budget and several seeds; writes the table',
      )
      .argument('<table>', 'table-1, table-2, table-3, table-6, table-7, table-8 or figure-1')
      .option('--data <dir>', 'data set: a folder with images/SPLIT, labels/SPLIT and dataset.yaml')
      .option(
        '--recipe <recipe>',
        'what the rows are trained by, a name or a .yaml file (default: ablation, a small network and few steps)',
      )
      .requiredOption(
        '--out <dir>',
        'folder of the trainings and the table; what is done there is not repeated',
      )
      .addOption(seedsOption())
      .option('--set <key=value...>', 'changes of all recipes, as steps=2000'),
  )
    .option('--json', 'print one JSON document')
    .addHelpText('after', lists.tables)
    .action(async (table, flags) => {
      const { ablate } = await import('./ablate.js');
      await ablate(table, flags, context);
    });

  program
    .command('summary')
    .description('parameters, operations and memory of a network, before anything runs')
    .argument('<model>', 'a name, or a weights file')
    .addOption(inputOption().makeOptionMandatory())
    .addOption(classesOption())
    .addOption(formOption())
    .addOption(contextOption())
    .addOption(precisionOption())
    .addOption(deviceOption())
    .option('--steps', 'also the algorithm of each step')
    .option('--no-algebra', 'convolutions as they are written, not as sums over their parts')
    .option('--train', 'memory of training instead, in several ways to save some')
    .addOption(optimiserOption())
    .addOption(recomputeOption())
    .option('--recover-inputs', 'with --train: in-place activated batch norm')
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
    .addOption(contextOption())
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

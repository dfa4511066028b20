// `npm run bench -- models [--against onnxruntime] [--json]`, `… train`, `… complexity`, `… scaling`: measures this checkout on
// this machine.
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { type Precision, precisions } from '../lib/compile/passes/assign-precision.js';
import { OcrnetError } from '../lib/errors.js';
import { writeFileAtomic } from '../lib/files.js';
import { openDevice } from '../lib/runtime/device.js';
import { addContextCommands } from './contexts/commands.js';
import { provenance } from './machine.js';
import { benchModels, type ModelBenchResult } from './models.js';
import { sizeOption } from './options.js';
import { benchFiles, benchMemory, benchResponsiveness } from './serving.js';
import { benchTrain, type TrainBenchResult, type TrainSideResult } from './train.js';

interface Size {
  readonly height: number;
  readonly width: number;
}

interface ModelsFlags {
  readonly model: string[];
  readonly input: Size;
  readonly precision?: Precision;
  readonly against?: string;
  readonly threads: number;
  readonly runs: number;
  readonly json?: true;
  readonly out?: string;
}

interface TrainFlags {
  readonly model: string[];
  readonly input: string;
  readonly threads: number;
  readonly runs: number;
  readonly json?: true;
  readonly out?: string;
}

const program = new Command('bench');

program
  .command('models')
  .description('times whole networks, from picture bytes to logits')
  .option('--model <names...>', 'networks', ['ocrnet-hrnet-w48', 'ocrnet-resnet101'])
  .addOption(sizeOption('--input <HxW>', 'size of the picture', '512x1024'))
  .addOption(
    new Option('--precision <type>', 'only this one; by default all that the processor has').choices(
      precisions,
    ),
  )
  .addOption(
    new Option('--against <peer>', 'also time this peer, in turn with ours').choices(['onnxruntime']),
  )
  .option('--threads <count>', 'threads of both', Number, availableParallelism())
  .option('--runs <count>', 'counted runs of each', Number, 7)
  .option('--json', 'print JSON: a list of {model, input, precision, oursMs, peerMs, ratio, …}')
  .option('--out <file>', 'also write the results with machine, commit and date')
  .action(async (flags: ModelsFlags) => {
    const results = await benchModels({
      models: flags.model,
      ...flags.input,
      precisions: flags.precision ? [flags.precision] : await supportedPrecisions(),
      against: flags.against === 'onnxruntime',
      threads: flags.threads,
      runs: flags.runs,
    });
    if (flags.out)
      await writeFileAtomic(flags.out, `${JSON.stringify({ ...provenance(), results }, null, 2)}\n`);
    console.log(flags.json ? JSON.stringify(results, null, 2) : results.map(line).join('\n'));
  });

program
  .command('responsiveness')
  .description('delays of the event loop while a network runs on all threads')
  .option('--model <name>', 'network', 'ocrnet-hrnet-w48')
  .addOption(sizeOption('--input <HxW>', 'size of the picture', '512x1024'))
  .option('--runs <count>', 'runs', Number, 10)
  .action(async (flags: { model: string; input: Size; runs: number }) => {
    print(await benchResponsiveness(flags.model, { ...flags.input, runs: flags.runs }));
  });

program
  .command('memory')
  .description('resident memory over many segmentations, and the arena that they used')
  .option('--model <name>', 'network', 'ocrnet-hrnet-w48')
  .addOption(sizeOption('--input <HxW>', 'size of the picture', '512x1024'))
  .option('--count <count>', 'segmentations', Number, 10)
  .action(async (flags: { model: string; input: Size; count: number }) => {
    print(await benchMemory(flags.model, { ...flags.input, count: flags.count }));
  });

program
  .command('files')
  .description('from a picture file to label PNG and overlay, against the network alone')
  .option('--model <name>', 'network', 'ocrnet-hrnet-w48')
  .addOption(sizeOption('--input <HxW>', 'size of the picture', '1024x2048'))
  .addOption(new Option('--precision <type>', 'of activations').choices(precisions).default('float32'))
  .option('--runs <count>', 'runs', Number, 5)
  .action(async (flags: { model: string; input: Size; runs: number; precision: Precision }) => {
    const { precision, runs } = flags;
    print(await benchFiles(flags.model, { ...flags.input, runs, precision }));
  });

program
  .command('train')
  .description('times steps of training, PyTorch in turn with ours')
  .option('--model <names...>', 'networks', ['ocrnet-resnet101', 'ocrnet-hrnet-w48'])
  .option('--input <NxHxW>', 'pictures in a batch, and their size', '2x256x512')
  .option('--threads <count>', 'threads of both', Number, availableParallelism())
  .option('--runs <count>', 'counted steps of each', Number, 5)
  .option('--json', 'print JSON: a list of {model, input, threads, ours, pytorch, ratio, skipped}')
  .option('--out <file>', 'also write the results with machine, commit and date')
  .action(async (flags: TrainFlags) => {
    const [batch = 0, height = 0, width = 0] = flags.input.split('x').map(Number);
    const { model: models, threads, runs } = flags;
    const results = await benchTrain({ models, batch, height, width, threads, runs });
    if (flags.out)
      await writeFileAtomic(flags.out, `${JSON.stringify({ ...provenance(), results }, null, 2)}\n`);
    console.log(flags.json ? JSON.stringify(results, null, 2) : results.map(trainLine).join('\n'));
  });

addContextCommands(program);

const print = (result: unknown) => console.log(JSON.stringify(result, null, 2));

async function supportedPrecisions(): Promise<readonly Precision[]> {
  await using device = await openDevice();
  return precisions.filter((precision) => device.supports(precision));
}

const line = ({
  model,
  input,
  precision,
  oursMs,
  peerMs,
  ratio,
  gflops,
  relativeError,
}: ModelBenchResult): string =>
  [
    `${model} ${input} ${precision}: ${oursMs.toFixed(0)} ms, ${(gflops / oursMs).toFixed(2)} TFLOP/s by direct count`,
    ...(peerMs === undefined
      ? []
      : [
          `onnxruntime ${peerMs.toFixed(0)} ms, ratio ${ratio?.toFixed(2)}, relative error ${relativeError?.toExponential(1)}`,
        ]),
  ].join('; ');

function trainLine({ model, input, ours, pytorch, ratio, skipped }: TrainBenchResult): string {
  const side = (name: string, result: TrainSideResult | undefined) =>
    result &&
    [
      `${name} ${result.medianMs.toFixed(0)} ms (best ${result.bestMs.toFixed(0)}, ${result.bestCpuMs.toFixed(0)} of processor time)`,
      ...(result.peakResidentBytes ? [`${(result.peakResidentBytes / 1e9).toFixed(2)} GB at most`] : []),
      `first loss ${result.firstLoss.toFixed(5)}`,
    ].join(', ');
  const parts = [side('ours', ours), side('PyTorch', pytorch), ratio && `ratio ${ratio.toFixed(2)}`];
  const skips = skipped && `skipped ${skipped}`;
  return `${model} ${input}: ${[...parts, skips].filter(Boolean).join('; ')}`;
}

try {
  await program.parseAsync();
} catch (error) {
  // What cannot be done here needs no stack; anything else is a mistake in the benches.
  if (!(error instanceof OcrnetError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}

// `npm run bench -- models [--against onnxruntime] [--json]`: measures this checkout on this machine.
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { type Precision, precisions } from '../lib/compile/passes/assign-precision.js';
import { writeFileAtomic } from '../lib/files.js';
import { openDevice } from '../lib/runtime/device.js';
import { provenance } from './machine.js';
import { benchModels, type ModelBenchResult } from './models.js';

interface ModelsFlags {
  readonly model: string[];
  readonly input: string;
  readonly precision?: Precision;
  readonly against?: string;
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
  .option('--input <HxW>', 'size of the picture', '512x1024')
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
    const [height, width] = flags.input.split('x').map(Number) as [number, number];
    const results = await benchModels({
      models: flags.model,
      height,
      width,
      precisions: flags.precision ? [flags.precision] : await supportedPrecisions(),
      against: flags.against === 'onnxruntime',
      threads: flags.threads,
      runs: flags.runs,
    });
    if (flags.out)
      await writeFileAtomic(flags.out, `${JSON.stringify({ ...provenance(), results }, null, 2)}\n`);
    console.log(flags.json ? JSON.stringify(results, null, 2) : results.map(line).join('\n'));
  });

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

await program.parseAsync();

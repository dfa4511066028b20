// `main.js PHASE --out FOLDER --build FOLDER [--emulated]`: one phase of the GPU suite. scripts/gpu/run.sh builds what it needs and
// calls it phase by phase.
import { parseArgs } from 'node:util';
import { benchAgainstPyTorch } from './against.js';
import { benchAlone } from './bench.js';
import { runNativeTests, runSanitizer } from './native-tests.js';
import { checkNetworks } from './networks.js';
import { emulatedSizes, fullSizes, type SuiteSizes } from './sizes.js';
import { summarise } from './summary.js';

interface PhaseOptions {
  readonly out: string;
  readonly buildFolder: string;
  readonly emulated: boolean;
  readonly sizes: SuiteSizes;
}

/** Each says whether all is well. */
const phases: Readonly<Record<string, (options: PhaseOptions) => Promise<boolean>>> = {
  tests: (options) => runNativeTests({ ...options, limitSeconds: options.emulated ? 300 : 60 }),
  networks: ({ out, sizes }) => checkNetworks(out, sizes),
  bench: ({ out, sizes }) => benchAlone(out, sizes),
  pytorch: ({ out, sizes, emulated }) =>
    benchAgainstPyTorch({ out, sizes, peerDevice: emulated ? 'cpu' : 'cuda', openSeconds: 180 }),
  sanitizer: (options) => runSanitizer({ ...options, limitSeconds: 60 }),
  summary: ({ out }) => summarise(out),
};

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string' }, build: { type: 'string' }, emulated: { type: 'boolean' } },
  });
  const { out, build: buildFolder, emulated = false } = values;
  const [name = ''] = positionals;
  const phase = phases[name];
  if (!phase || !out || !buildFolder) {
    const usage = `main.js ${Object.keys(phases).join('|')} --out FOLDER --build FOLDER [--emulated]`;
    throw new Error(`expected ${usage}`);
  }
  return await phase({ out, buildFolder, emulated, sizes: emulated ? emulatedSizes : fullSizes });
}

main().then(
  (good) => {
    process.exitCode = good ? 0 : 1;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 2;
  },
);

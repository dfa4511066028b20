import type { About } from '../../bench/contexts/about.js';
import type { FormResult, ModuleResult, PyTorchResult } from '../../bench/contexts/measure.js';
import { contextModules } from '../../bench/contexts/modules.js';

const mebi = 2 ** 20;

export const exampleAbout: About = {
  machine: 'Sample <1> & Co',
  device: 'cpu',
  precision: 'float32',
  threads: 2,
  runs: 7,
  plain: false,
};

const form = (ms: number): FormResult => ({
  flopsExecuted: 1e9 * ms,
  plannedBytes: 100 * mebi,
  measuredBytes: 101 * mebi,
  residentBytes: 600 * mebi,
  medianMs: ms,
  algorithms: { winograd4x4: 1, 'onednn gemm:jit': 3 },
});

const pytorch = (ms: number): PyTorchResult => ({
  peer: 'PyTorch 1.13.1',
  layout: 'channels_last',
  measuredBytes: 400 * mebi,
  residentBytes: 900 * mebi,
  medianMs: ms,
  ratio: 2,
  relativeError: 4.2e-6,
});

/** All modules, each faster than the next by half a second; PPM has a plain form, all but DANet a peer. */
export const exampleResults = (input = '1×2048×128×128'): ModuleResult[] =>
  contextModules.map(({ name, kind, paper }, i) => ({
    module: name,
    kind,
    input,
    parameters: paper.parameters,
    flopsPaperCounting: paper.flops,
    ...form(500 * (i + 1)),
    ...(kind === 'ppm' && { plain: form(4000) }),
    ...(kind === 'danet'
      ? { skipped: 'RuntimeError: not enough memory' }
      : { pytorch: pytorch(1000 * (i + 1)) }),
    paper,
  }));

// `npm run gpu [-- PHASE…]`: the GPU suite on this machine. `npm run gpu -- pack [FOLDER]`: puts it into one folder for a machine that
// has nvcc, CMake, g++ and a driver, but no Node.js and no network; there `bash run.sh` does the same. See docs/gpu.md.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { argv, env } from 'node:process';
import { pack } from './gpu/pack.mjs';
import { installPackages } from './setup/build.mjs';
import { root, run, runMain, SetupError } from './setup/run.mjs';
import { requireBuildTools, requireNode } from './setup/system.mjs';

runMain(async () => {
  const [command, ...rest] = argv.slice(2);
  requireNode();
  await installPackages();
  await requireBuildTools();
  if (command === 'pack') {
    await pack(resolve(rest[0] ?? join(root, 'build-gpu-pack')));
    return;
  }
  if (env.OCRNET_GPU_CUDA !== 'emulated') await requireGpu();
  const suite = spawn('bash', [join(root, 'scripts/gpu/run.sh'), ...argv.slice(2)], { stdio: 'inherit' });
  const [code] = await once(suite, 'exit');
  process.exitCode = code ?? 1;
});

async function requireGpu() {
  const path = `${env.PATH}:/usr/local/cuda/bin`;
  for (const [tool, what] of /** @type {const} */ ([
    ['nvidia-smi', "NVIDIA's driver, with a GPU"],
    ['nvcc', 'the CUDA toolkit'],
  ])) {
    const ask = tool === 'nvcc' ? ['--version'] : ['-L'];
    if ((await run(tool, ask, { env: { ...env, PATH: path } })).code !== 0)
      throw new SetupError(
        `${tool} does not run: expected ${what}. Without a GPU OCRNET_GPU_CUDA=emulated makes a dry run`,
      );
  }
}

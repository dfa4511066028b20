// Brings a checkout to the point where it can run: `node scripts/setup.mjs [--only native|typescript]`.
// Plain Node.js, since nothing is installed when it first runs. When all is current it takes a fraction of a second.

import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNative, buildTypeScript, installPackages, linkCommand } from './setup/build.mjs';
import { runMain, SetupError } from './setup/run.mjs';
import { requireNode } from './setup/system.mjs';

/** @param {{ only?: 'native' | 'typescript' | undefined }} [options] */
export async function setup({ only } = {}) {
  requireNode();
  await installPackages();
  if (only !== 'typescript') await buildNative();
  if (only !== 'native') await buildTypeScript();
  await linkCommand();
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  runMain(async () => {
    const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
    if (only !== undefined && only !== 'native' && only !== 'typescript') {
      throw new SetupError(`--only: expected native or typescript, received ${only}`);
    }
    await setup({ only });
    console.log('setup: everything is current');
  });
}

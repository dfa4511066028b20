// `npm run prebuilds`: builds the addon that is published for this platform into prebuilds/PLATFORM-ARCH/, with the
// shared libraries that a user's machine may lack beside it and their licences in licenses/.

import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bundledLibraries } from './prebuilds/libraries.mjs';
import { artifactsFolder, prebuildFolder } from './prebuilds/paths.mjs';
import { buildTypeScript, installPackages } from './setup/build.mjs';
import { mustRun, root, runMain, SetupError, step } from './setup/run.mjs';
import { requireBuildTools, requireNode } from './setup/system.mjs';

const target = `prebuilds/${process.platform}-${process.arch}`;

runMain(async () => {
  if (process.platform !== 'linux')
    throw new SetupError(`prebuilds are made on Linux so far, this is ${process.platform}`);
  requireNode();
  await installPackages();
  await requireBuildTools();
  await buildTypeScript();
  await step(`building ${target}`, prebuild);

  const names = (await readdir(join(root, target))).filter((name) => /\.(node|so)\b/.test(name));
  await requireBundled(join(root, target, names.find((name) => name.endsWith('.node')) ?? ''));
  for (const name of names) {
    const { size } = await stat(join(root, target, name));
    console.log(`${(size / 1e6).toFixed(1).padStart(6)} MB  ${join(target, name)}`);
  }
});

async function prebuild() {
  await rm(join(root, target), { recursive: true, force: true });
  // prebuildify takes the addon from build/Release of its working folder, and takes it away: that must not be the one
  // of the checkout.
  await mkdir(prebuildFolder, { recursive: true });
  await mustRun(process.execPath, [
    'node_modules/prebuildify/bin.js',
    ...['--cwd', prebuildFolder, '--out', root, '--name', 'ocrnet'],
    ...['--napi', '--strip', '--tag-libc'],
    ...['--node-gyp', join(root, 'scripts/prebuilds/node-gyp.mjs'), '--artifacts', artifactsFolder],
  ]);
}

/**
 * Throws unless the loader finds every bundled library beside the addon.
 *
 * @param {string} addon
 */
async function requireBundled(addon) {
  const libraries = await bundledLibraries(addon);
  const elsewhere = libraries.filter(({ path }) => !path.startsWith(join(root, target)));
  if (elsewhere.length === 0) return;
  const found = elsewhere.map(({ name, path }) => `${name} in ${path}`).join(', ');
  throw new SetupError(`expected all bundled libraries in ${target}, the addon finds ${found}`);
}

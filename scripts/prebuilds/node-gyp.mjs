#!/usr/bin/env node
// What prebuildify runs in place of node-gyp: it takes `rebuild` to mean a build with cmake-js. The flags, which choose
// headers of a Node.js version, have no meaning for an addon that uses Node-API only.

import { copyFile, mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { mustRun, root, runMain, SetupError } from '../setup/run.mjs';
import { bundledLibraries, copyLicences } from './libraries.mjs';
import { artifactsFolder, buildFolder } from './paths.mjs';

const release = join(buildFolder, 'Release');

runMain(async () => {
  if (process.argv[2] !== 'rebuild')
    throw new SetupError(`node-gyp of the prebuilds: expected rebuild, received ${process.argv[2]}`);
  // The addon prefers the libraries beside it: those of an earlier build would hide the system's.
  await rm(release, { recursive: true, force: true });
  await rm(artifactsFolder, { recursive: true, force: true });
  await mustRun(process.execPath, [
    join(root, 'node_modules/cmake-js/bin/cmake-js'),
    ...['build', '--directory', root, '--out', buildFolder, '--target', 'ocrnet', '--CDOCRNET_BUNDLE=ON'],
    ...['--parallel', String(availableParallelism())],
  ]);
  const libraries = await bundledLibraries(join(release, 'ocrnet.node'));
  for (const { name, path } of libraries) await copyFile(path, join(release, name));
  await mkdir(join(artifactsFolder, 'licenses'), { recursive: true });
  await copyLicences(libraries, join(artifactsFolder, 'licenses'));
});

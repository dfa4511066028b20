// `npm run check`: formatting, lint and types of everything; `npm run format` (--write) repairs what can be repaired.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkKernels, hasKernels } from './check-kernels.mjs';
import { installPackages } from './setup/build.mjs';
import { root, run, runMain } from './setup/run.mjs';
import { requireCppTools } from './setup/system.mjs';

async function listNativeSources() {
  const files = [];
  for (const folder of ['native', 'test/native']) {
    if (!existsSync(join(root, folder))) continue;
    const names = await readdir(join(root, folder), { recursive: true });
    files.push(...names.filter((name) => /\.(cpp|h|cu)$/.test(name)).map((name) => join(folder, name)));
  }
  // Generated sources are kept as the generator writes them.
  return files.filter((file) => !/\.gen\.(cpp|h)$/.test(file)).sort();
}

const cppcheckArguments = [
  '--quiet',
  '--error-exitcode=1',
  '--enable=warning,performance,portability',
  '--std=c++20',
  '--language=c++',
  '-Inative',
  '-DOCRNET_ISA=portable',
  '-D__x86_64__',
  // Parameters that are moved from, and members that are set where their errors can be converted.
  '--suppress=passedByValue',
  '--suppress=useInitializationList',
  // Lanes of a vector that are written one by one.
  '--suppress=uninitvar:native/cpu/simd-lookup.h',
];

runMain(async () => {
  const write = process.argv.includes('--write');
  await installPackages();
  await requireCppTools();

  const sources = await listNativeSources();
  /** @type {[string, string[]][]} */
  const commands = [
    [
      process.execPath,
      ['node_modules/@biomejs/biome/bin/biome', 'check', ...(write ? ['--write'] : ['--error-on-warnings'])],
    ],
    ['clang-format', [...(write ? ['-i'] : ['--dry-run', '-Werror']), ...sources]],
    ...(write
      ? []
      : [
          /** @type {[string, string[]]} */ (['cppcheck', [...cppcheckArguments, 'native', 'test/native']]),
          /** @type {[string, string[]]} */ ([
            process.execPath,
            ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.check.json'],
          ]),
        ]),
  ];
  for (const [command, args] of commands) {
    const { code } = await run(command, args, { show: true });
    if (code !== 0) process.exitCode = 1;
  }
  if (hasKernels() && (await checkKernels({ write })) > 0) process.exitCode = 1;
});

// `npm run check`: formatting, lint and types of everything; `npm run format` (--write) repairs what can be repaired.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
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

/**
 * As many at once as there are processors; what one prints stays together.
 *
 * @param {[string, string[]][]} commands
 */
async function runAll(commands) {
  const waiting = [...commands];
  const runWaiting = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { code, output } = await run(...next);
      process.stdout.write(output);
      if (code !== 0) process.exitCode = 1;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, runWaiting));
}

runMain(async () => {
  const write = process.argv.includes('--write');
  await installPackages();
  await requireCppTools();

  const sources = await listNativeSources();
  const biome = ['node_modules/@biomejs/biome/bin/biome', 'check'];
  /** @type {[string, string[]][]} */
  const repairs = [
    [process.execPath, [...biome, '--write']],
    ['clang-format', ['-i', ...sources]],
  ];
  /** @type {[string, string[]][]} the longest first */
  const checks = [
    ['cppcheck', [...cppcheckArguments, 'native', 'test/native']],
    ['clang-format', ['--dry-run', '-Werror', ...sources]],
    [process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.check.json']],
    [process.execPath, [...biome, '--error-on-warnings']],
  ];
  await runAll(write ? repairs : checks);
  if (hasKernels() && (await checkKernels({ write })) > 0) process.exitCode = 1;
});

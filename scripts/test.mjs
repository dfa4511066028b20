// `npm test [-- MOCHA-ARGUMENTS]`: sets the checkout up, runs the native tests, then the TypeScript tests, last those of CUDA
// devices on an emulated GPU.
// With `--sanitize` it runs only the native tests of the processor, built with AddressSanitizer and UBSan; with
// `--sanitize=cuda` those of the emulated GPU, too, which takes several times as long.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { buildNativeTests, buildSanitizedNativeTests, emulatedAddon } from './setup/build.mjs';
import { largePages, root, run, runMain } from './setup/run.mjs';
import { setup } from './setup.mjs';

/** Tests run side by side: threads that wait for work must leave the processor to the others. */
const environment = { OMP_WAIT_POLICY: 'passive', ...largePages, ...process.env };

/** @typedef {{ passed: number, failed: number }} Tally */

/**
 * Runs the native tests, as many at once as there are processors; one passes if it exits with 0.
 *
 * @param {string} buildFolder
 * @returns {Promise<Tally>}
 */
async function runNativeTests(buildFolder) {
  const tally = { passed: 0, failed: 0 };
  const sources = join(root, 'test/native');
  if (!existsSync(sources)) return tally;
  const files = (await readdir(sources)).filter((file) => file.endsWith('.test.cpp'));
  const waiting = files.map((file) => file.replace(/\.cpp$/, '')).sort();
  const runWaiting = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const startMs = performance.now();
      const program = join(root, buildFolder, 'native-tests', name);
      if (!existsSync(program)) continue; // of kernels, in a build without them
      const { code, output } = await run(program, [], { env: environment });
      if (code !== 0) process.stdout.write(output);
      const elapsedSeconds = ((performance.now() - startMs) / 1000).toFixed(1);
      console.log(
        `native: ${name}: ${code === 0 ? 'passed' : `FAILED (exit code ${code})`} in ${elapsedSeconds} s`,
      );
      tally[code === 0 ? 'passed' : 'failed'] += 1;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, runWaiting));
  return tally;
}

/**
 * Files run side by side, as many at once as there are processors, in the order of the configuration: what runs large
 * networks and what trains comes first, which takes longest.
 *
 * @param {string[]} mochaArgs
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Tally>}
 */
async function runMocha(mochaArgs, env = environment) {
  const color = process.stdout.isTTY ? '--color' : '--no-color';
  const jobs = ['--parallel', '--jobs', String(availableParallelism())];
  const mocha = ['node_modules/mocha/bin/mocha.js', color, ...jobs, ...mochaArgs];
  const { code, output } = await run(process.execPath, mocha, { show: true, env });
  const plain = stripVTControlCharacters(output);
  /** @param {string} word */
  const count = (word) =>
    Number([...plain.matchAll(new RegExp(`^ +(\\d+) ${word}\\b`, 'gm'))].at(-1)?.[1] ?? 0);
  const failed = count('failing');
  // Mocha can also fail before or beside its tests: a file that does not load, no tests at all.
  return { passed: count('passing'), failed: code !== 0 && failed === 0 ? 1 : failed };
}

/** @param {Tally[]} tallies */
function report(tallies) {
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}

runMain(async () => {
  const args = process.argv.slice(2);
  if (args.includes('--sanitize') || args.includes('--sanitize=cuda')) {
    const folder = await buildSanitizedNativeTests({ cuda: args.includes('--sanitize=cuda') });
    report([await runNativeTests(folder)]);
    return;
  }
  await setup();
  await buildNativeTests();
  const emulated = { ...environment, OCRNET_ADDON: join(root, emulatedAddon) };
  report([
    await runNativeTests('build'),
    await runMocha(args),
    await runMocha(['--config', 'test/emulated/.mocharc.json', ...args], emulated),
  ]);
});

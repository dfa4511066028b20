// What ptxas said of each kernel when the addon was built by nvcc: no kernel may spill or use local memory, none
// may take more registers than scripts/registers.json grants it, and notes that the compiler gave up what a
// kernel is written for (C7508, C7510, C7519 and their like) are errors. `--write` grants what is used now.

import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, root, run, SetupError } from './setup/run.mjs';

const reports = join(root, 'build/native/cuda/CMakeFiles');
const compileCommands = join(root, 'build/compile_commands.json');
const budgetFile = join(root, 'scripts/registers.json');

/** Differences that come from the compiler's version alone. */
const slackRegisters = 8;

/** @typedef {{ kernel: string, architecture: string, registers: number, complaints: string[] }} Usage */

/** Whether the addon was built with kernels. */
export const hasKernels = () => existsSync(reports);

/**
 * Prints what is wrong with the kernels; the number of complaints.
 *
 * @param {{ write?: boolean }} [options]
 */
export async function checkKernels({ write = false } = {}) {
  const usages = await readUsages();
  if (usages.length === 0) throw new SetupError(`no reports of ptxas in ${reports}`);
  if (write) {
    await writeFile(budgetFile, `${JSON.stringify(budgetsOf(usages), undefined, 2)}\n`);
    await mustRun(process.execPath, [
      'node_modules/@biomejs/biome/bin/biome',
      'format',
      '--write',
      budgetFile,
    ]);
  }
  /** @type {Record<string, Record<string, number>>} */
  const budgets = JSON.parse(await readFile(budgetFile, 'utf8'));
  const complaints = usages.flatMap(({ kernel, architecture, registers, complaints: own }) => {
    const budget = budgets[kernel]?.[architecture];
    const wrong =
      budget === undefined
        ? ['has no budget in scripts/registers.json: run `npm run format`']
        : registers > budget + slackRegisters
          ? [`uses ${registers} registers, its budget is ${budget}`]
          : [];
    return [...own, ...wrong].map((text) => `${kernel} (${architecture}): ${text}`);
  });
  for (const complaint of complaints) console.error(complaint);
  const kernels = new Set(usages.map(({ kernel }) => kernel)).size;
  console.log(
    `kernels: ${kernels} in ${usages.length} versions, at most ${Math.max(...usages.map(({ registers }) => registers))} registers, ${complaints.length} complaints`,
  );
  return complaints.length;
}

/** @param {Usage[]} usages */
function budgetsOf(usages) {
  /** @type {Record<string, Record<string, number>>} */
  const budgets = {};
  for (const { kernel, architecture, registers } of usages) {
    budgets[kernel] ??= {};
    budgets[kernel][architecture] = registers;
  }
  return Object.fromEntries(Object.entries(budgets).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Reports of sources that the build no longer has are left alone.
 *
 * @returns {Promise<Usage[]>}
 */
async function readUsages() {
  const commands = await readFile(compileCommands, 'utf8');
  const files = (await readdir(reports, { recursive: true })).filter(
    (file) => file.endsWith('.cu.o.ptxas') && commands.includes(`CMakeFiles/${file.replace(/\.ptxas$/, '')}`),
  );
  const texts = await Promise.all(files.sort().map((file) => readFile(join(reports, file), 'utf8')));
  const { output } = await run('c++filt', ['--no-params'], { input: texts.join('\n') });
  return parseReports(output);
}

/**
 * @param {string} text of all reports, with the kernels' names as the sources have them
 * @returns {Usage[]}
 */
export function parseReports(text) {
  /** @type {Usage[]} */
  const usages = [];
  for (const line of text.split('\n')) {
    const entry = /Compiling entry function '(.+)' for '(sm_\w+)'/.exec(line);
    if (entry) {
      const kernel = (entry[1] ?? '').replaceAll(/ocrnet::cuda::|\(anonymous namespace\)::|^void /g, '');
      usages.push({ kernel, architecture: entry[2] ?? '', registers: 0, complaints: [] });
      continue;
    }
    const usage = usages.at(-1);
    if (!usage) continue;
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (frame?.slice(1).some((bytes) => bytes !== '0')) usage.complaints.push(line.trim());
    const registers = /Used (\d+) registers/.exec(line);
    if (registers) usage.registers = Number(registers[1]);
    // Products of warpgroups that are taken apart, register budgets that are not kept.
    if (/\bC75\d\d\b|potential performance loss/i.test(line)) usage.complaints.push(line.trim());
  }
  return usages;
}

import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isWanted } from './only.js';
import { Report } from './report.js';

export interface NativeTestsOptions {
  /** With native-tests/ in it. */
  readonly buildFolder: string;
  readonly out: string;
  /** Of one program. */
  readonly limitSeconds: number;
}

interface ProgramResult {
  readonly name: string;
  readonly tool?: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** Of tests in configurations, as the program counts them. */
  readonly counted?: string;
  /** Operations that the GPU does not run. */
  readonly withoutKernel: readonly string[];
  /** Of a program that fails, its end. */
  readonly output?: string;
}

/** The operations' cases against their float64 references, on the GPU alone. */
export async function runNativeTests({
  buildFolder,
  out,
  limitSeconds,
}: NativeTestsOptions): Promise<boolean> {
  const report = await Report.open<ProgramResult>(out, 'tests');
  const env = { ...process.env, OCRNET_TEST_PROCESSOR: 'cuda' };
  const jobs = (await listTests(buildFolder)).map(
    (name) => () => runProgram({ name, command: program(buildFolder, name), args: [], env, limitSeconds }),
  );
  return await runAll(jobs, report);
}

/** Operations of every kind of kernel, those first that share and synchronise most. */
const sanitizedTests = [
  'region-ops',
  'cuda-conv2d',
  'cuda-conv2d-gradients',
  'cuda-conv2d-moments',
  'attention-ops',
  'normalisation-ops',
  'softmax-ops',
  'region-gradient-ops',
  'loss-ops',
  'window-ops',
  'elementwise-ops',
];

const sanitizers = ['memcheck', 'racecheck', 'synccheck'];

/** Some of the cases under NVIDIA's compute-sanitizer: accesses out of bounds, races in shared memory, barriers. */
export async function runSanitizer({ buildFolder, out, limitSeconds }: NativeTestsOptions): Promise<boolean> {
  const report = await Report.open<ProgramResult>(out, 'sanitizer');
  const env = { ...process.env, OCRNET_TEST_PROCESSOR: 'cuda', OCRNET_TEST_FEW: '1' };
  const present = new Set(await listTests(buildFolder));
  const jobs = sanitizers.flatMap((tool) =>
    sanitizedTests
      .map((name) => `${name}.test`)
      .filter((name) => present.has(name))
      .map((name) => () => {
        const args = ['--tool', tool, '--error-exitcode', '99', '--print-limit', '20'];
        const command = 'compute-sanitizer';
        return runProgram({
          name,
          tool,
          command,
          args: [...args, program(buildFolder, name)],
          env,
          limitSeconds,
        });
      }),
  );
  return await runAll(jobs, report);
}

const program = (buildFolder: string, name: string): string => join(buildFolder, 'native-tests', name);

async function listTests(buildFolder: string): Promise<string[]> {
  const names = await readdir(join(buildFolder, 'native-tests')).catch(() => []);
  return names.filter((name) => name.endsWith('.test') && isWanted(name)).sort();
}

/** A few at a time: the GPU has room, and references are computed by one core. */
async function runAll(
  jobs: readonly (() => Promise<ProgramResult>)[],
  report: Report<ProgramResult>,
): Promise<boolean> {
  if (jobs.length === 0) throw new Error('no native tests were built: look at the end of the build');
  const waiting = [...jobs];
  const work = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const result = await job();
      await report.add(result);
      console.log(line(result));
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
  await report.finish();
  return report.entries.every(({ passed }) => passed);
}

function line({ name, tool, passed, seconds, counted, output }: ProgramResult): string {
  const what = tool ? `${name} under ${tool}` : name;
  const how = `${passed ? 'passed' : 'FAILED'} in ${seconds.toFixed(1)} s`;
  return [`${what}: ${how}${counted ? `, ${counted}` : ''}`, ...(output ? [output] : [])].join('\n');
}

interface Job {
  readonly name: string;
  readonly tool?: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly limitSeconds: number;
}

/** What of a failure is kept. */
const outputCharacters = 4000;

function runProgram({ name, tool, command, args, env, limitSeconds }: Job): Promise<ProgramResult> {
  return new Promise((settle) => {
    const start = performance.now();
    const child = spawn(command, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 1000 * limitSeconds,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const collect = (text: Buffer) => {
      output += text;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const finish = (passed: boolean) => {
      const counted = /^\d+ tests in \d+ configurations: \d+ failures$/m.exec(output)?.[0];
      settle({
        name,
        ...(tool !== undefined && { tool }),
        passed,
        seconds: (performance.now() - start) / 1000,
        ...(counted !== undefined && { counted }),
        withoutKernel: [...output.matchAll(/^no kernel for (\w+)$/gm)].map(([, op]) => op as string),
        ...(!passed && { output: output.slice(-outputCharacters) }),
      });
    };
    child.on('error', ({ message }) => {
      output += message;
      finish(false);
    });
    child.on('close', (code, signal) => {
      if (signal) output += `\nended by ${signal} after ${limitSeconds} s at most`;
      finish(code === 0);
    });
  });
}

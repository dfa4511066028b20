// Our side of a module, in a process of its own: side.ts says what it hears and what it says.
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { eachWeight } from '../../lib/checkpoint/weights.js';
import type { PlanStep } from '../../lib/compile/plan.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule } from '../../lib/models/contexts/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import type { Program, RunResult } from '../../lib/runtime/program.js';
import { type Inputs, measureFirstRun, resultBytes } from './memory.js';
import type { OursReady, SideOptions, SideRun } from './side.js';
import { syntheticInput, syntheticWeights } from './synthetic.js';

const open = ({ device, threads }: SideOptions) =>
  openDevice({ device, ...(threads !== undefined && { threads }) });

async function load(device: Device, { kind, size, precision, plain }: SideOptions): Promise<Program> {
  const graph = buildContextModule(size, contextConfig(kind));
  const compiled = device.compile(graph, { precision, algebra: !plain });
  const weights = device.createWeights();
  for (const [{ name, value }, data] of eachWeight(compiled.graph, syntheticWeights()))
    weights.set(name, value.type.shape, data);
  return await device.load(compiled, weights);
}

function inputsOf({ compiled }: Program): Inputs {
  const { inputs } = compiled.graph;
  return Object.fromEntries(
    inputs.map(({ name, value }, i) => [name, syntheticInput(elementCount(value.type.shape), i)]),
  );
}

/** What a process holds once, such as the code of the addon and its threads, is there before anything is measured. */
async function warmUp(options: SideOptions): Promise<void> {
  await using device = await open(options);
  const program = await load(device, { ...options, size: { ...options.size, height: 8, width: 8 } });
  await program.run(inputsOf(program));
}

function describe(program: Program): OursReady {
  const { steps, arenaBytes, executedFlops } = program.compiled;
  return {
    plannedBytes: arenaBytes + resultBytes(program),
    flopsExecuted: executedFlops,
    algorithms: convolutionAlgorithms(steps),
    steps: steps.map(({ node, algorithm }) => `${node.spec.name} ${node.path} ${algorithm}`).join('\n'),
  };
}

function convolutionAlgorithms(steps: readonly PlanStep[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { node, algorithm } of steps)
    if (node.spec.name === 'conv2d') counts[algorithm] = (counts[algorithm] ?? 0) + 1;
  return counts;
}

async function serve(options: SideOptions): Promise<void> {
  await warmUp(options);
  await using device = await open(options);
  const program = await load(device, options);
  const inputs = inputsOf(program);
  let last: RunResult | undefined;
  const answers: Readonly<Record<string, (operand: string) => Promise<unknown>>> = {
    measure: () => measureFirstRun(device, program, inputs),
    async run(): Promise<SideRun> {
      last = undefined;
      // A GPU's clock tells the plan's time from that of the copies to it.
      last = await program.run(inputs, device.name === 'cpu' ? {} : { repeats: 1 });
      return { ms: last.repeatsMs?.[0] ?? last.elapsedMs };
    },
    async save(file) {
      const { representation } = (last as RunResult).outputs;
      await writeFile(file, representation as Float32Array);
      return {};
    },
  };
  const say = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say(describe(program));
  for await (const line of createInterface({ input: process.stdin })) {
    const [command = '', operand = ''] = line.split(' ', 2);
    const answer = answers[command];
    if (!answer) throw new Error(`received "${line}"`);
    say(await answer(operand));
  }
}

serve(JSON.parse(process.argv[2] ?? '{}') as SideOptions).catch((error: unknown) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});

// Our side of a module, in a process of its own: side.ts says what it hears and what it says.
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { eachWeight } from '../../lib/checkpoint/weights.js';
import type { PlanStep } from '../../lib/compile/plan.js';
import { byteLength, elementCount } from '../../lib/ir/tensor-type.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule } from '../../lib/models/contexts/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import type { Program, RunResult, TensorData } from '../../lib/runtime/program.js';
import { forgetPeak, residentMemory } from './process-memory.js';
import type { OursReady, SideMemory, SideOptions, SideRun } from './side.js';
import { syntheticInput, syntheticWeights } from './synthetic.js';

type Inputs = Readonly<Record<string, TensorData>>;

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
  await using device = await openDevice(options);
  const program = await load(device, { ...options, size: { ...options.size, height: 8, width: 8 } });
  await program.run(inputsOf(program));
}

/** Waits until JavaScript has let go of what it left: it would be taken for the module's, or hide, freed, what the module takes. */
async function settledBytes(): Promise<number> {
  if (!globalThis.gc) throw new Error('this process needs --expose-gc');
  for (let before = Number.NaN, turn = 0; turn < 50; turn++) {
    globalThis.gc();
    // Native memory goes when finalizers run, some turns of the event loop after the objects that held it.
    await sleep(20);
    const { now } = residentMemory();
    if (now === before) return now;
    before = now;
  }
  throw new Error('the memory of this process does not come to rest');
}

/**
 * The first run after loading touches the plan's arena for the first time. The copies that it makes of the inputs belong to
 * the caller, the results to the module.
 */
async function measure(program: Program, inputs: Inputs): Promise<SideMemory> {
  const copies = Object.values(inputs).reduce((sum, { byteLength }) => sum + byteLength, 0);
  const before = await settledBytes();
  forgetPeak();
  await program.run(inputs);
  const { peak } = residentMemory();
  return { measuredBytes: peak - before - copies, residentBytes: peak };
}

function describe({ compiled }: Program): OursReady {
  const { graph, steps, arenaBytes, executedFlops } = compiled;
  return {
    plannedBytes: graph.outputs.reduce((sum, { value }) => sum + byteLength(value.type), arenaBytes),
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
  await using device = await openDevice(options);
  const program = await load(device, options);
  const inputs = inputsOf(program);
  let last: RunResult | undefined;
  const answers: Readonly<Record<string, (operand: string) => Promise<unknown>>> = {
    measure: () => measure(program, inputs),
    async run(): Promise<SideRun> {
      last = undefined;
      last = await program.run(inputs);
      return { ms: last.elapsedMs };
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

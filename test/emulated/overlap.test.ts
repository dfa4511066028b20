import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph } from '../../lib/ir/graph.js';
import { activate, add } from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import type { Program, RunResult } from '../../lib/runtime/program.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { compileRunningSum } from '../support/graphs.js';

const relu = { activation: 'relu', negativeSlope: 0 } as const;

/** max(x, 0), and with `sum` x more, by way of the arena. */
function graphOf(width: number, sum: boolean): Graph {
  const builder = new GraphBuilder('positive');
  const x = builder.input('x', { dataType: 'float32', shape: [1, 4, width, 8] });
  const positive = builder.add(activate, { x }, relu).y;
  builder.output('y', sum ? builder.add(add, { a: positive, b: x }, relu).y : positive);
  return builder.build();
}

/** Numbers of a run's own. */
const numbers = (width: number, run: number): Float32Array =>
  Float32Array.from({ length: 4 * width * 8 }, (_, i) => ((i * 7 + run * 13) % 101) - 50);

describe('runs on a CUDA device, emulated, that overlap', () => {
  let device: Device;
  let programs: { readonly program: Program; readonly width: number; readonly sum: boolean }[];
  beforeEach(async () => {
    device = await openDevice({ device: 'cuda' });
    programs = [];
    for (const [width, sum] of [
      [3, false],
      [17, true],
    ] as const) {
      const compiled = device.compilePrepared(graphOf(width, sum));
      programs.push({ program: await device.load(compiled, device.createWeights()), width, sum });
    }
  });
  afterEach(() => device.dispose());

  type Loaded = (typeof programs)[number];
  const start = ({ program, width }: Loaded, run: number, signal?: AbortSignal): Promise<RunResult> =>
    program.run({ x: numbers(width, run) }, { signal });
  const expected = ({ width, sum }: Loaded, run: number): Float32Array =>
    numbers(width, run).map((x) => Math.max(x, 0) * (sum ? 2 : 1));

  it('each have their own results, of one program and of two', async () => {
    const begin = performance.now();
    for (const order of [[0], [0, 1], [1, 1, 0]]) {
      const programOf = (run: number) => programs[order[run % order.length] as number] as Loaded;
      const results = await Promise.all(Array.from({ length: 40 }, (_, run) => start(programOf(run), run)));
      for (const [run, { outputs }] of results.entries())
        expect(outputs.y, `run ${run}`).to.deep.equal(expected(programOf(run), run));
      // The device's time is not counted twice.
      const elapsedMs = results.reduce((sum, one) => sum + one.elapsedMs, 0);
      expect(elapsedMs).to.be.within(Number.MIN_VALUE, performance.now() - begin);
    }
  });

  it('change state in their order, and between its reads and writes', async () => {
    const compiled = compileRunningSum(device);
    const state = device.createState(compiled.layout.states);
    const program = await device.load(compiled, device.createWeights(), state);
    const run = (digit: number) =>
      program.run({ part: new Float32Array(3).fill(digit), weights: Float32Array.of(10, 1) });
    const done = [run(1), run(2), run(3)];
    const first = state.read('total');
    const written = state.write('total', Float32Array.of(9), 1);
    done.push(run(4), run(5));
    const second = state.read('total');
    expect([...(await first)]).to.deep.equal([123, 123, 123]);
    expect([...(await second)]).to.deep.equal([12345, 945, 12345]);
    await Promise.all([...done, written]);
    state.dispose();
  });

  it('leave the others alone when they are aborted', async () => {
    const [loaded] = programs as [Loaded];
    const controller = new AbortController();
    const runs = Array.from({ length: 12 }, (_, run) =>
      start(loaded, run, run % 3 === 1 ? controller.signal : undefined),
    );
    controller.abort();
    const settled = await Promise.allSettled(runs);
    for (const [run, one] of settled.entries())
      if (run % 3 === 1) await expectOcrnetError(() => runs[run] as Promise<RunResult>, 'ABORTED');
      else expect(one.status === 'fulfilled' && one.value.outputs.y).to.deep.equal(expected(loaded, run));
  });

  it('measure steps and repeats between them', async () => {
    const [loaded] = programs as [Loaded];
    const [first, profiled, repeated, last] = (await Promise.all([
      start(loaded, 0),
      loaded.program.run({ x: numbers(loaded.width, 1) }, { profile: true }),
      loaded.program.run({ x: numbers(loaded.width, 2) }, { repeats: 3 }),
      start(loaded, 3),
    ])) as [RunResult, RunResult, RunResult, RunResult];
    for (const [run, { outputs }] of [first, profiled, repeated, last].entries())
      expect(outputs.y).to.deep.equal(expected(loaded, run));
    expect([...(profiled.stepsMs ?? [])])
      .to.have.length(1)
      .and.satisfy(areTimes);
    expect([...(repeated.repeatsMs ?? [])])
      .to.have.length(3)
      .and.satisfy(areTimes);
  });

  it('end before their program or device is gone', async () => {
    const [first, second] = programs as [Loaded, Loaded];
    const runs = [start(first, 0), start(first, 1)];
    first.program.dispose();
    for (const [run, { outputs }] of (await Promise.all(runs)).entries())
      expect(outputs.y).to.deep.equal(expected(first, run));
    const cut = Promise.allSettled(Array.from({ length: 6 }, (_, run) => start(second, run)));
    await device.dispose();
    for (const [run, one] of (await cut).entries())
      if (one.status === 'fulfilled') expect(one.value.outputs.y).to.deep.equal(expected(second, run));
      else expect(one.reason).to.include({ code: 'ABORTED' });
  });
});

const areTimes = (times: readonly number[]): boolean => times.every((ms) => ms >= 0);

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { compile } from '../../lib/compile/compile.js';
import { encodePlan } from '../../lib/compile/encode.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { constant } from '../../lib/ir/initializer.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import { conv2d } from '../../lib/ops/index.js';
import { cpuTarget } from '../../lib/runtime/cpu-target.js';
import {
  type NativeDevice,
  type NativeProgram,
  type NativeWeights,
  native,
  withOcrnetErrors,
} from '../../lib/runtime/native.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** A chain of 3×3 convolutions of (1, size, size, 32): as much work as a test wants. */
function chain(device: NativeDevice, { depth, size }: { depth: number; size: number }) {
  const builder = new GraphBuilder();
  let x = builder.input('x', { dataType: 'float32', shape: [1, size, size, 32] });
  for (let i = 0; i < depth; i++) {
    const filter = builder.parameter(`${i}.filter`, [32, 3, 3, 32], {
      kind: 'stored',
      fileLayout: 'filter',
      initializer: constant(0),
      trainable: true,
    });
    const attributes = {
      stride: 1,
      padding: 1,
      dilation: 1,
      groups: 1,
      ...noActivation,
      outputType: 'same',
    } as const;
    x = builder.at(i).add(conv2d, { x, filter }, attributes).y;
  }
  builder.output('y', x);
  const target = cpuTarget((layout) => device.inspect(encodePlan(layout)));
  const compiled = compile(builder.build(), { target, precision: 'float32' });
  const elements = size * size * 32;
  return { compiled, elements };
}

function zeroWeights(device: NativeDevice, { graph }: ReturnType<typeof chain>['compiled']): NativeWeights {
  const weights = device.createWeights();
  for (const { name, value } of graph.parameters)
    weights.set(name, value.type.shape, new Float32Array(elementCount(value.type.shape)));
  return weights;
}

const invoke = <T>(call: () => T): T => withOcrnetErrors(call);

describe('the native addon', () => {
  const folder = temporaryFolder();
  let device: NativeDevice;
  let weights: NativeWeights;
  let program: NativeProgram;
  let elements: number;

  /** A run with arrays of its own. */
  const start = (options = {}) =>
    invoke(() => program.run([new Float32Array(elements)], [new Float32Array(elements)], options));

  beforeEach(async () => {
    device = native().openCpu({ threads: 2 });
    const made = chain(device, { depth: 24, size: 96 });
    elements = made.elements;
    weights = zeroWeights(device, made.compiled);
    program = await device.load(made.compiled.bytes, weights);
  });
  afterEach(() => device.dispose());

  it('describes the machine', () => {
    const { isa, features, cores, threads, oneDnnVersion, napi } = native().describe();
    expect(isa).to.be.oneOf(['portable', 'avx2', 'avx512']);
    if (isa !== 'portable') expect(features).to.include.members(['avx2', 'fma']);
    expect(threads).to.be.within(1, cores);
    expect(oneDnnVersion).to.match(/^\d+\.\d+\.\d+$/);
    expect(napi).to.equal(8);
  });

  it('runs a plan and times its steps', async () => {
    const output = new Float32Array(elements).fill(1);
    const result = await program.run([new Float32Array(elements)], [output], { profile: true });
    expect(output.every((value) => value === 0)).to.equal(true);
    expect(result.steps).to.be.instanceOf(Float64Array).with.length(24);
    const sum = result.steps?.reduce((a, b) => a + b, 0) as number;
    expect(sum).to.be.within(result.elapsedMs * 0.5, result.elapsedMs);
    expect(await start()).to.not.have.property('steps');
  });

  it('runs a plan several times in a row and times each run', async () => {
    const [x, y] = [new Float32Array(elements), new Float32Array(elements)];
    const { repeats, elapsedMs } = await program.run([x], [y], { repeats: 3 });
    expect(repeats).to.be.instanceOf(Float64Array).with.length(3);
    const sum = repeats?.reduce((a, b) => a + b, 0) as number;
    expect(sum).to.be.within(elapsedMs * 0.5, elapsedMs);
    expect(await start()).to.not.have.property('repeats');
    await expectOcrnetError(
      () => invoke(() => program.run([x], [y], { repeats: 0 })),
      'INVALID_ARGUMENT',
      'repeats: expected from 1',
      'received 0',
    );
  });

  it('says which argument is wrong, what it expected and what it received', async () => {
    const x = new Float32Array(elements);
    const y = new Float32Array(elements);
    await expectOcrnetError(
      () => invoke(() => program.run([], [y])),
      'INVALID_ARGUMENT',
      'array of 1',
      'array of 0',
    );
    await expectOcrnetError(
      () => invoke(() => program.run([new Uint8Array(elements)], [y])),
      'INVALID_ARGUMENT',
      'input "x": expected Float32Array of 294912 for float32[1×96×96×32], received Uint8Array of 294912',
    );
    await expectOcrnetError(
      () => invoke(() => program.run([x], [y.subarray(1)])),
      'INVALID_ARGUMENT',
      'output "y"',
      'received Float32Array of 294911',
    );
    structuredClone(y.buffer, { transfer: [y.buffer] });
    await expectOcrnetError(
      () => invoke(() => program.run([x], [y])),
      'INVALID_ARGUMENT',
      'received Float32Array of 0',
    );
    for (const threads of [0, 1.5, 1025, Number.NaN])
      await expectOcrnetError(
        () => invoke(() => native().openCpu({ threads })),
        'INVALID_ARGUMENT',
        `${threads}`,
      );
    const stranger = program as unknown as NativeWeights;
    await expectOcrnetError(
      () => invoke(() => device.load(new Uint8Array(4), stranger)),
      'INVALID_ARGUMENT',
      'NativeWeights',
    );
  });

  it('refuses plans and weights that do not fit, and goes on', async () => {
    const { compiled } = chain(device, { depth: 2, size: 8 });
    await expectOcrnetError(() => invoke(() => device.inspect(compiled.bytes.subarray(1))), 'INVALID_PLAN');
    await expectOcrnetError(
      () => invoke(() => device.load(compiled.bytes.subarray(0, 99), weights)),
      'INVALID_PLAN',
      'too short',
    );
    await expectOcrnetError(
      () => invoke(() => device.load(compiled.bytes, device.createWeights())),
      'INVALID_WEIGHTS',
      '0.filter',
    );
    const filter = new Float32Array(9 * 32 * 32);
    await expectOcrnetError(
      () => invoke(() => weights.set('0.filter', [32, 3, 3, 32], filter)),
      'INVALID_WEIGHTS',
    );
    await expectOcrnetError(
      () => invoke(() => weights.set('new', [32, 3, 3, 33], filter)),
      'INVALID_WEIGHTS',
      '9216',
    );
    await start();
  });

  it('says how much memory a plan wants that the system cannot give', async function () {
    const policy = (await readFile('/proc/sys/vm/overcommit_memory', 'utf8')).trim();
    if (policy === '1') this.skip(); // a system that grants all memory that anybody asks for cannot say no
    const { compiled } = chain(device, { depth: 2, size: 8 });
    const bytes = compiled.bytes.slice();
    new DataView(bytes.buffer).setUint32(16, 200, true); // arenaBytes: 800 GiB and some
    await expectOcrnetError(
      () => invoke(() => device.load(bytes, zeroWeights(device, compiled))),
      'OUT_OF_MEMORY',
      /8589\d+ bytes for its arena/,
    );
    await start();
  });

  it('stops a run between two steps, and one that waits', async () => {
    const running = native().createAbortToken();
    const waiting = native().createAbortToken();
    // Long enough that a quarter of a run is a time that a timer can meet.
    const { compiled } = chain(device, { depth: 600, size: 96 });
    program = await device.load(compiled.bytes, zeroWeights(device, compiled));
    await start();
    const { elapsedMs } = await start(); // the first takes longer
    const jobs = [start({ token: running }), start({ token: waiting }), start()] as const;
    const settled = Promise.allSettled(jobs);
    await sleep(elapsedMs / 4);
    running.abort();
    waiting.abort();
    const [first, second, third] = await settled;
    expect([first, second].map((result) => result.status === 'rejected' && result.reason.code)).to.deep.equal(
      ['ABORTED', 'ABORTED'],
    );
    expect(third.status).to.equal('fulfilled');
  });

  it('shares one arena among its plans and frees it with the last', async () => {
    const before = device.arenaBytes();
    expect(before).to.be.at.least(program.arenaBytes());
    const larger = chain(device, { depth: 3, size: 192 });
    const second = await device.load(larger.compiled.bytes, zeroWeights(device, larger.compiled));
    expect(device.arenaBytes()).to.equal(second.arenaBytes());
    await start();
    second.dispose();
    await start();
    expect(device.arenaBytes()).to.equal(before);
    const last = start();
    program.dispose();
    await last;
    await expectOcrnetError(() => start(), 'DISPOSED', 'program');
    await device.dispose();
    expect(device.arenaBytes()).to.equal(0);
  });

  it('is disposed of in the middle of runs, twice, and then refuses work', async () => {
    const settled = Promise.allSettled([start(), start()]);
    const closing = [device.dispose(), device.dispose()];
    const codes = (await settled).map((result) => result.status === 'rejected' && result.reason.code);
    expect(codes).to.deep.equal(['ABORTED', 'ABORTED']);
    await Promise.all(closing);
    await device.dispose();
    await expectOcrnetError(() => start(), 'DISPOSED', 'device');
    weights.dispose();
    await expectOcrnetError(() => invoke(() => weights.bytes()), 'DISPOSED', 'weights');
  });

  it('does not let its classes be constructed or its methods be lent', () => {
    const constructed = device.constructor as new () => unknown;
    expect(() => new constructed()).to.throw(TypeError);
    const { bytes } = weights;
    expect(() => bytes.call(device as unknown as NativeWeights)).to.throw(TypeError);
  });

  it('leaves the event loop free while it computes', async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    await start();
    delay.enable();
    await Promise.all([start(), start(), start(), start()]);
    delay.disable();
    // A run takes hundreds of milliseconds where nothing else runs beside it; other processes may take their share.
    expect(delay.percentile(50) / 1e6).to.be.below(20);
  });

  describe('in processes and threads that end', () => {
    const script = fileURLToPath(new URL('../support/chain-job.mjs', import.meta.url));

    const job = async (mode: string) => {
      const { compiled } = chain(device, { depth: 24, size: 96 });
      const planFile = folder.path('plan');
      await writeFile(planFile, compiled.bytes);
      const parameters = compiled.graph.parameters.map(({ name, value }) => ({
        name,
        shape: [...value.type.shape],
      }));
      return { mode, planFile, parameters, elements };
    };
    const runProcess = async (mode: string) =>
      promisify(execFile)(process.execPath, [script, JSON.stringify(await job(mode))], { timeout: 30000 });

    it('lets a process end that has an idle device, or whose runs are done', async () => {
      await runProcess('open');
      await runProcess('await');
    });

    it('finishes runs that nobody waits for before the process ends', () => runProcess('abandon'));

    it('survives process.exit in the middle of a run', async () => {
      const failure = await runProcess('exit').catch((error) => error);
      expect(failure).to.include({ code: 7, signal: null });
    });

    it('survives the end of a worker thread in the middle of a run', async () => {
      // Also while a result is on its way to the thread's event loop.
      for (const delayMs of [0, 0, 50, 100, 150, 200]) {
        const worker = new Worker(script, { workerData: await job('await'), execArgv: [] });
        await new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
        await sleep(delayMs);
        await worker.terminate();
      }
      await start();
    });

    it('works in several worker threads at once', async () => {
      const data = await job('await');
      const ends = [1, 2].map(
        () =>
          new Promise((resolve, reject) => {
            const worker = new Worker(script, { workerData: data, execArgv: [] });
            worker.once('error', reject);
            worker.once('exit', resolve);
          }),
      );
      expect(await Promise.all(ends)).to.deep.equal([0, 0]);
    });
  });
});

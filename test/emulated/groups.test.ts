import { expect } from 'chai';
import { smallNetwork } from '../../bench/gpu/sizes.js';
import type { Graph } from '../../lib/ir/graph.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { chain, clipByGlobalNorm, sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { DeviceGroup } from '../../lib/runtime/group.js';
import type { Program } from '../../lib/runtime/program.js';
import { TrainingProgram } from '../../lib/train/training-program.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { identityFilter, normGraph, sumGraph } from '../support/group-graphs.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import { syntheticImage } from '../support/synthetic-weights.js';

type Arrays = Readonly<Record<string, Float32Array>>;

describe('groups of CUDA devices, emulated', () => {
  let cpus: Device[];
  let gpus: Device[];
  beforeEach(async () => {
    cpus = await Promise.all([1, 1].map((threads) => openDevice({ threads })));
    process.env.OCRNET_EMULATED_GPUS = '2';
    gpus = await Promise.all([0, 1].map((index) => openDevice({ device: 'cuda', index })));
  });
  afterEach(async () => {
    await Promise.all([...cpus, ...gpus].map((device) => device.dispose()));
    delete process.env.OCRNET_EMULATED_GPUS;
  });

  async function loadPair(
    devices: readonly Device[],
    graphs: readonly Graph[],
    group = new DeviceGroup(2),
  ): Promise<Program[]> {
    return await Promise.all(
      devices.map((device, i) =>
        device.load(
          device.compile(graphs[i] as Graph, { precision: 'float32' }),
          device.createWeights(),
          undefined,
          group.member(i),
        ),
      ),
    );
  }
  const runAll = async (programs: readonly Program[], inputs: readonly Arrays[]): Promise<Arrays[]> =>
    await Promise.all(
      programs.map(async (program, i) => (await program.run(inputs[i] as Arrays)).outputs as Arrays),
    );

  it('add up and average with the bits of CPUs, many runs at once', async () => {
    const next = randomNumbers(3);
    for (const count of [1, 7, 4001])
      for (const average of [false, true]) {
        const graphs = [sumGraph(count, average), sumGraph(count, average)];
        const [onCpus, onGpus] = [await loadPair(cpus, graphs), await loadPair(gpus, graphs)];
        const given = Array.from({ length: 3 }, () =>
          graphs.map(() => ({ x: Float32Array.from(randomTensor([count], next).data) })),
        );
        const expected = await Promise.all(given.map((inputs) => runAll(onCpus, inputs)));
        const actual = await Promise.all(given.map((inputs) => runAll(onGpus, inputs)));
        expect(actual).to.deep.equal(expected);
        for (const program of [...onCpus, ...onGpus]) program.dispose();
      }
  });

  it('take the batch norm of parts of different sizes for one, as CPUs do', async () => {
    const [channels, width] = [19, 7];
    for (const normCase of [
      { activation: 'none', residual: false },
      { activation: 'relu', residual: true },
      { activation: 'none', residual: false, moments: true },
    ] as const) {
      const next = randomNumbers(channels);
      const random = (shape: readonly number[], from = -1, to = 1) =>
        Float32Array.from(randomTensor(shape, next, from, to).data);
      const vectors = {
        weight: random([channels], 0.5, 1.5),
        bias: random([channels]),
        runningMean: random([channels]),
        runningVariance: random([channels], 0.5, 2),
        filter: identityFilter(channels),
      };
      const shapes = [5, 43].map((rows) => [1, rows, width, channels] as const);
      const inputs = shapes.map((shape, i) => ({
        ...vectors,
        // A mean far above the deviation, and another one in each part.
        x: random(shape).map((value) => value + 10 + 2 * i),
        dy: random(shape),
        ...(normCase.residual && { residual: random(shape) }),
      }));
      const graphs = shapes.map((shape) => normGraph(shape, { ...normCase, synchronised: true }));
      const expected = await runAll(await loadPair(cpus, graphs), inputs);
      const programs = await loadPair(gpus, graphs);
      const [first, second] = (await runAll(programs, inputs)) as [Arrays, Arrays];
      for (const name of ['mean', 'inverseDeviation', 'newRunningMean', 'newRunningVariance'])
        expect(second[name], name).to.deep.equal(first[name]);
      // x − mean loses the digits of the mean, some 20 times the deviation.
      for (const [i, outputs] of [first, second].entries())
        for (const [name, values] of Object.entries(expected[i] as Arrays))
          expect(relativeError(outputs[name] as Float32Array, values), name).to.be.below(1e-5);
      expect(await runAll(programs, inputs)).to.deep.equal([first, second]);
    }
  });

  it('need a group, and are GPUs from the first on', async () => {
    const [device] = gpus as [Device];
    expect(device.replicas(2)).to.deep.equal([
      { device: 'cuda', index: 0, tf32: false },
      { device: 'cuda', index: 1, tf32: false },
    ]);
    const compiled = device.compile(sumGraph(3), { precision: 'float32' });
    await expectOcrnetError(
      () => device.load(compiled, device.createWeights()),
      'INVALID_ARGUMENT',
      /allReduce.*group/,
    );
  });

  it('end together when a member is aborted, is gone or runs another plan', async () => {
    const x = new Float32Array(5);
    const group = new DeviceGroup(2);
    const programs = await loadPair(gpus, [sumGraph(5), sumGraph(5)], group);
    const [first, second] = programs as [Program, Program];
    const controller = new AbortController();
    const waiting = first.run({ x }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expectOcrnetError(() => waiting, 'ABORTED');
    await expectOcrnetError(() => second.run({ x }), 'ABORTED', /Another device/);
    group.renew();
    await runAll(programs, [{ x }, { x }]);

    const others = await loadPair(gpus, [sumGraph(5), sumGraph(6)]);
    const runs = others.map((program, i) => program.run({ x: new Float32Array(5 + i) }));
    await Promise.allSettled(runs);
    for (const run of runs) await expectOcrnetError(() => run, 'INVALID_ARGUMENT', /different plans/);

    const cut = first.run({ x });
    setTimeout(() => void gpus[1]?.dispose(), 20);
    await expectOcrnetError(() => cut, 'ABORTED', /Another device/);
  });

  describe('that train', () => {
    const config = { ...smallNetwork.config, context: { kind: 'none', head: 'fcn', dropout: 0.1 } } as const;
    const size = { batch: 2, height: 33, width: 33 };
    const next = randomNumbers(3);
    const batch = {
      image: syntheticImage(size.batch, size.height, size.width),
      label: Uint8Array.from({ length: size.batch * size.height * size.width }, () =>
        Math.floor(config.classes * next()),
      ),
    };
    const create = (devices: readonly Device[]) =>
      TrainingProgram.create(devices, config, {
        ...size,
        losses: { ignoreLabel: 255 },
        optimiser: chain(clipByGlobalNorm(1), sgd({ momentum: 0.9 })),
        groups: {},
        initial: initialiser(1),
      });
    const stateOf = async ({ states }: TrainingProgram) => {
      const members = await Promise.all(
        states.map(async (state) => {
          const blocks = state.blocks.map(async ({ name }) => [name, await state.read(name)] as const);
          return new Map(await Promise.all(blocks));
        }),
      );
      const [first, second] = members as [Map<string, Float32Array>, Map<string, Float32Array>];
      expect(second).to.deep.equal(first);
      return first;
    };

    /** A step's loss, and what it changes on both members alike. */
    async function train(devices: readonly Device[], { failsFirst = false } = {}) {
      using program = await create(devices);
      const before = await stateOf(program);
      const options = { learningRate: 0.1, step: 0 };
      if (failsFirst) {
        const label = batch.label.slice();
        label[label.length - 1] = 99; // in the second member's part
        const wrong = program.step([{ ...batch, label }], options);
        const behind = program.step([batch], options);
        behind.catch(() => {});
        await expectOcrnetError(() => wrong, 'INVALID_DATA', 'received 99');
        await expectOcrnetError(() => behind, 'ABORTED');
      }
      const { loss } = await program.step([batch], options);
      const after = await stateOf(program);
      const changes = new Map(
        [...after].map(([name, values]) => [
          name,
          values.map((value, i) => value - (before.get(name)?.[i] as number)),
        ]),
      );
      return { loss, changes };
    }

    it('take the step of CPUs, with equal bits on both, also after one in which a member failed and one behind it', async () => {
      // Then both fail, before anything has changed.
      const [expected, actual] = [await train(cpus), await train(gpus, { failsFirst: true })];
      expect(relativeError([actual.loss], [expected.loss])).to.be.below(1e-5);
      // Batch norms of a few pixels magnify rounding.
      for (const [name, change] of expected.changes)
        expect(relativeError(actual.changes.get(name) as Float32Array, change), name).to.be.below(1e-3);
    });
  });
});

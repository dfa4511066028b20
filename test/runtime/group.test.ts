import { expect } from 'chai';
import type { Graph } from '../../lib/ir/graph.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { DeviceGroup, type GroupMember } from '../../lib/runtime/group.js';
import type { Program } from '../../lib/runtime/program.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { identityFilter, normGraph, sumGraph } from '../support/group-graphs.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';

type Arrays = Readonly<Record<string, Float32Array>>;

describe('groups of devices', () => {
  let devices: Device[];
  before(async () => {
    devices = [await openDevice({ threads: 1 }), await openDevice({ threads: 2 })];
  });
  after(async () => {
    await Promise.all(devices.map((device) => device.dispose()));
  });

  const load = async (device: Device, graph: Graph, member?: GroupMember): Promise<Program> =>
    await device.load(
      device.compile(graph, { precision: 'float32' }),
      device.createWeights(),
      undefined,
      member,
    );
  const loadPair = async (graphs: readonly [Graph, Graph], group = new DeviceGroup(2)) =>
    (await Promise.all(devices.map((device, i) => load(device, graphs[i] as Graph, group.member(i))))) as [
      Program,
      Program,
    ];

  it('adds up and averages over the members, with the same bits on all', async () => {
    const next = randomNumbers(3);
    for (const count of [1, 7, 40_001])
      for (const average of [false, true]) {
        const programs = await loadPair([sumGraph(count, average), sumGraph(count, average)]);
        const given = programs.map(() => Float32Array.from(randomTensor([count], next).data));
        const [first, second] = await Promise.all(
          programs.map(async (program, i) => (await program.run({ x: given[i] as Float32Array })).outputs.y),
        );
        const [a, b] = given as [Float32Array, Float32Array];
        expect(first).to.deep.equal(a.map((value, i) => (value + (b[i] as number)) / (average ? 2 : 1)));
        expect(second).to.deep.equal(first);
        for (const program of programs) program.dispose();
      }
  });

  it('of one member are the identity, and without one a plan is refused', async () => {
    const [device] = devices as [Device];
    const x = Float32Array.of(1.1, -0.3, 1e-30);
    const program = await load(device, sumGraph(3, true), new DeviceGroup(1).member(0));
    expect((await program.run({ x })).outputs.y).to.deep.equal(x);
    program.dispose();
    await expectOcrnetError(() => load(device, sumGraph(3)), 'INVALID_ARGUMENT', /allReduce.*group/);
    expect(() => new DeviceGroup(0)).to.throw('size of a group');
    await expectOcrnetError(
      () => load(device, sumGraph(3), new DeviceGroup(2).member(2)),
      'INVALID_ARGUMENT',
      /member of a group/,
    );
  });

  // Parts of the batch of different sizes: pictures of 5 × 7 and 3 × 7 pixels, as one of 8 × 7.
  for (const [rows, channels, pictures] of [
    [[5, 3], 19, 1],
    [[1, 7], 3, 1],
    [[40, 23], 67, 1],
    [[6, 6], 33, 2],
  ] as const)
    for (const normCase of [
      { activation: 'none', residual: false },
      { activation: 'relu', residual: true },
      { activation: 'relu', residual: false, moments: true },
    ] as const)
      it(`batch norm of ${pictures * rows[0]} and ${pictures * rows[1]} rows is that of all, ${channels} channels, ${normCase.activation}${'moments' in normCase ? ', from moments' : ''}`, async () => {
        const next = randomNumbers(channels);
        const width = 7;
        const height = pictures * (rows[0] + rows[1]);
        const whole = [1, height, width, channels] as const;
        const wide = (tensor: ReferenceTensor) => Float32Array.from(tensor.data);
        const maps: Arrays = {
          // A mean far above the deviation, and another one in each part.
          x: wide(randomTensor(whole, next)).map((value, i) => value + 40 + (i > 300 ? 2 : 0)),
          dy: wide(randomTensor(whole, next)),
          residual: wide(randomTensor(whole, next)),
        };
        const vectors: Arrays = {
          weight: wide(randomTensor([channels], next, 0.5, 1.5)),
          bias: wide(randomTensor([channels], next)),
          runningMean: wide(randomTensor([channels], next)),
          runningVariance: wide(randomTensor([channels], next, 0.5, 2)),
          filter: identityFilter(channels),
        };
        const inputs = (from: number, to: number): Arrays => {
          const row = width * channels;
          const parts = Object.entries(maps).map(([name, all]) => [name, all.subarray(from * row, to * row)]);
          return { ...vectors, ...Object.fromEntries(parts) };
        };
        const single = await load(
          devices[1] as Device,
          normGraph(whole, { ...normCase, synchronised: false }),
        );
        const expected = (await single.run(inputs(0, height))).outputs as Arrays;
        const split = pictures * rows[0];
        const pair = await loadPair(
          rows.map((count) =>
            normGraph([pictures, count, width, channels], { ...normCase, synchronised: true }),
          ) as [Graph, Graph],
        );
        const [first, second] = (await Promise.all([
          pair[0].run(inputs(0, split)).then(({ outputs }) => outputs),
          pair[1].run(inputs(split, height)).then(({ outputs }) => outputs),
        ])) as [Arrays, Arrays];
        for (const program of [single, ...pair]) program.dispose();

        for (const name of ['mean', 'inverseDeviation', 'newRunningMean', 'newRunningVariance']) {
          expect(second[name], name).to.deep.equal(first[name]);
          expect(
            relativeError(first[name] as Float32Array, expected[name] as Float32Array),
            name,
          ).to.be.below(1e-6);
        }
        for (const name of ['y', 'dx', 'dResidual']) {
          const both = [...(first[name] as Float32Array), ...(second[name] as Float32Array)];
          // x − mean loses the digits of the mean, 40 times the deviation: 40 · 2⁻²⁴ of it.
          expect(relativeError(Float32Array.from(both), expected[name] as Float32Array), name).to.be.below(
            1e-5,
          );
        }
        for (const name of ['dWeight', 'dBias']) {
          const sum = (first[name] as Float32Array).map(
            (value, i) => value + ((second[name] as Float32Array)[i] as number),
          );
          expect(relativeError(sum, expected[name] as Float32Array), name).to.be.below(1e-5);
        }
      });

  describe('when a member does not come', () => {
    const x = new Float32Array(5);

    it('a run that is aborted ends the others', async () => {
      const group = new DeviceGroup(2);
      const programs = await loadPair([sumGraph(5), sumGraph(5)], group);
      const controller = new AbortController();
      const waiting = programs[0].run({ x }, { signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await expectOcrnetError(() => waiting, 'ABORTED');
      await expectOcrnetError(() => programs[1].run({ x }), 'ABORTED', /Another device/);
      group.renew();
      await Promise.all(programs.map((program) => program.run({ x })));
      for (const program of programs) program.dispose();
    });

    it('a plan or a device that is disposed ends them too', async () => {
      for (const what of ['program', 'device'] as const) {
        const other = await openDevice({ threads: 1 });
        const group = new DeviceGroup(2);
        const first = await load(devices[0] as Device, sumGraph(5), group.member(0));
        const second = await load(other, sumGraph(5), group.member(1));
        const waiting = first.run({ x });
        setTimeout(() => void (what === 'program' ? second.dispose() : other.dispose()), 20);
        await expectOcrnetError(() => waiting, 'ABORTED', /Another device/);
        await expectOcrnetError(() => second.run({ x }), 'DISPOSED');
        first.dispose();
        await other.dispose();
      }
    });

    it('disposing the device that waits ends its run', async () => {
      const device = await openDevice({ threads: 1 });
      const program = await load(device, sumGraph(5), new DeviceGroup(2).member(0));
      const waiting = program.run({ x });
      setTimeout(() => void device.dispose(), 20);
      await expectOcrnetError(() => waiting, 'ABORTED', /disposed/);
    });

    it('plans of different sizes are an error on both', async () => {
      const programs = await loadPair([sumGraph(5), sumGraph(6)]);
      const runs = programs.map((program, i) => program.run({ x: new Float32Array(5 + i) }));
      await Promise.allSettled(runs);
      for (const run of runs) await expectOcrnetError(() => run, 'INVALID_ARGUMENT', /different plans/);
      for (const program of programs) program.dispose();
    });
  });
});

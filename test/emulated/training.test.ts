import { expect } from 'chai';
import { smallNetwork } from '../../bench/gpu/sizes.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { withDropout } from '../../lib/models/contexts/defaults.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { chain, clipByGlobalNorm, type LossScaleOptions, movingAverage, sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { TrainingProgram, trainingGraphOf } from '../../lib/train/training-program.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers } from '../support/random.js';
import { syntheticImage } from '../support/synthetic-weights.js';
import { stateDigest } from '../support/training-steps.js';
import { withTuring } from '../support/turing.js';

const size = { batch: 2, height: 33, width: 33 };
const next = randomNumbers(3);
const batch = {
  image: syntheticImage(size.batch, size.height, size.width),
  label: Uint8Array.from({ length: size.batch * size.height * size.width }, () =>
    next() < 0.1 ? 255 : Math.floor(smallNetwork.config.classes * next()),
  ),
};

describe('training on a CUDA device, emulated', () => {
  let cpu: Device;
  let cuda: Device;
  before(async () => {
    [cpu, cuda] = [await openDevice({ device: 'cpu' }), await openDevice({ device: 'cuda' })];
  });
  after(() => Promise.all([cpu, cuda].map((device) => device.dispose())));

  const config = { ...smallNetwork.config, context: withDropout(smallNetwork.config.context, 0.3) };
  const options = {
    ...size,
    losses: { ignoreLabel: 255 },
    optimiser: chain(clipByGlobalNorm(1), sgd(), movingAverage()),
    groups: {},
    initial: initialiser(1),
  };
  const create = (
    device: Device,
    precision: Precision,
    { lossScale, accumulate = 1 }: { lossScale?: LossScaleOptions | undefined; accumulate?: number } = {},
  ) =>
    TrainingProgram.create(device, config, {
      ...options,
      accumulate,
      precision,
      ...(lossScale && { lossScale }),
    });

  const lossScaleOf = async ({ state }: TrainingProgram) => [...(await state.read('lossScale'))];

  async function blocksOf({ state }: TrainingProgram): Promise<Map<string, Float32Array>> {
    return new Map(
      await Promise.all(state.blocks.map(async ({ name }) => [name, await state.read(name)] as const)),
    );
  }

  /** A step, and what it changed. */
  async function train(device: Device, precision: Precision) {
    using program = await create(device, precision);
    const before = await blocksOf(program);
    const { loss } = await program.step([batch], { learningRate: 0.1, step: 0 });
    const changes = new Map(
      [...(await blocksOf(program))].map(([name, after]) => [
        name,
        after.map((value, i) => value - (before.get(name)?.[i] as number)),
      ]),
    );
    return { loss, changes };
  }

  it('finds moments in its convolutions, for each batch norm but that behind attention', () => {
    for (const precision of ['float32', 'bfloat16', 'float16'] as const) {
      const { graph } = trainingGraphOf(config, 'update', { ...options, precision });
      const { steps } = cuda.compilePrepared(graph);
      const nodesOf = (operation: string) =>
        steps.map(({ node }) => node).filter(({ spec }) => spec.name === operation);
      const batchNorms = nodesOf('batchNormTraining');
      const others = batchNorms.filter(({ inputs }) => inputs.means === undefined).map(({ path }) => path);
      expect(others).to.deep.equal(['ocr_distri_head.object_context_block.f_up.1']);
      expect(nodesOf('conv2dMoments')).to.have.length(batchNorms.length - others.length);
      expect(batchNorms.length).to.be.above(others.length);
    }
  });

  it("does the CPU's step in float32", async () => {
    const [expected, actual] = [await train(cpu, 'float32'), await train(cuda, 'float32')];
    expect(relativeError([actual.loss], [expected.loss])).to.be.below(1e-5);
    expect(actual.changes.size).to.equal(expected.changes.size);
    // Batch norms of a few pixels magnify rounding.
    for (const [name, change] of expected.changes)
      expect(relativeError(actual.changes.get(name) as Float32Array, change), name).to.be.below(1e-3);
  });

  it('drops what the CPU drops, something else at each step of a plan that was captured once', async () => {
    const losses = async (device: Device) => {
      using program = await create(device, 'float32');
      const found: number[] = [];
      for (const step of [0, 1, 0, 7])
        found.push((await program.step([batch], { learningRate: 0, step })).finalLoss);
      return found as [number, number, number, number];
    };
    const [expected, actual] = [await losses(cpu), await losses(cuda)];
    for (const [i, loss] of actual.entries())
      expect(relativeError([loss], [expected[i] as number]), `loss ${i}`).to.be.below(1e-5);
    expect(new Set(actual).size).to.equal(3);
    expect(actual[2]).to.equal(actual[0]);
  });

  it('takes nearly the same step in bfloat16, always the same to the bit', async () => {
    const expected = await train(cpu, 'float32');
    const [first, second] = [await train(cuda, 'bfloat16'), await train(cuda, 'bfloat16')];
    expect(relativeError([first.loss], [expected.loss])).to.be.within(1e-7, 1e-2);
    expect(second).to.deep.equal(first);
  });

  it('takes nearly the same steps in float16, whatever power of two scales the loss', async () => {
    const steps = async (device: Device, precision: Precision, lossScale?: LossScaleOptions) => {
      using program = await create(device, precision, { lossScale });
      const before = await program.state.read('parameters');
      const results = [];
      for (let step = 0; step < 3; step++)
        results.push(await program.step([batch], { learningRate: 0.01, step }));
      const after = await program.state.read('parameters');
      const change = after.map((value, i) => value - (before[i] as number));
      return { results, change, lossScale: lossScale && (await lossScaleOf(program)) };
    };
    const expected = await steps(cpu, 'float32');
    const mixed = await steps(cuda, 'float16', { initial: 2 ** 10, growthInterval: 2 });
    // Batch norms of a few pixels magnify rounding from step to step: over eight seeds the losses' errors were at most 3e-4, 3e-3
    // and 6e-3, those of the change 0.2 to 0.7.
    for (const [i, { loss, skipped }] of mixed.results.entries()) {
      const bound = i === 0 ? 1e-3 : 1e-2;
      expect(relativeError([loss], [expected.results[i]?.loss as number])).to.be.within(1e-8, bound);
      expect(skipped).to.equal(false);
    }
    const [norm, exactNorm] = [mixed, expected].map(({ results }) => results[0]?.gradientNorm as number);
    expect(relativeError([norm as number], [exactNorm as number])).to.be.below(0.05);
    expect(relativeError(mixed.change, expected.change)).to.be.below(0.5);
    expect(mixed.results.map(({ lossScale }) => lossScale)).to.deep.equal([2 ** 10, 2 ** 10, 2 ** 11]);
    expect(mixed.lossScale).to.deep.equal([2 ** 11, 1]);
  });

  it('takes the same step in float16 on a GPU of compute capability 7.5, nearly', () =>
    withTuring(async (turing) => {
      const [expected, actual] = [await train(cuda, 'float16'), await train(turing, 'float16')];
      expect(relativeError([actual.loss], [expected.loss])).to.be.below(1e-3);
      const [before, after] = [expected, actual].map(
        ({ changes }) => changes.get('parameters') as Float32Array,
      );
      expect(relativeError(after as Float32Array, before as Float32Array)).to.be.below(0.05);
    }));

  it('skips a float16 step whose gradients overflow: parameters stay to the bit, the scale halves', async () => {
    using program = await create(cuda, 'float16', { lossScale: { initial: 2 ** 60 } });
    const before = await blocksOf(program);
    const { loss, lossScale, skipped } = await program.step([batch], { learningRate: 0.1, step: 0 });
    expect({ lossScale, skipped }).to.deep.equal({ lossScale: 2 ** 60, skipped: true });
    expect(loss).to.be.above(0);
    const after = await blocksOf(program);
    for (const name of ['parameters', 'velocity', 'averageParameters'])
      expect(after.get(name), name).to.deep.equal(before.get(name));
    expect(await lossScaleOf(program)).to.deep.equal([2 ** 59, 0]);
  });

  it('changes nothing where a label is no class, nor by steps that are started behind that one', async () => {
    using program = await create(cuda, 'float32', { accumulate: 2 });
    const options = { learningRate: 0.1, step: 0 };
    const before = await stateDigest(program.state);
    const label = batch.label.slice();
    label[size.width + 3] = 99;
    const [wrong, behind] = [
      program.step([{ ...batch, label }, batch], options),
      program.step([batch, batch], options),
    ];
    behind.catch(() => {});
    await expectOcrnetError(() => wrong, 'INVALID_DATA', 'received 99 in row 1, column 3 of picture 0');
    await expectOcrnetError(() => behind, 'ABORTED', 'A run before this one failed');
    expect(await stateDigest(program.state)).to.deep.equal(before);
    // Both go on, in their order.
    const [first, second] = await Promise.all(
      [0, 1].map((step) => program.step([batch, batch], { ...options, step })),
    );
    using other = await create(cuda, 'float32', { accumulate: 2 });
    expect((await other.step([batch, batch], options)).loss).to.equal(first?.loss);
    expect((await other.step([batch, batch], { ...options, step: 1 })).loss).to.equal(second?.loss);
    expect(await stateDigest(program.state)).to.deep.equal(await stateDigest(other.state));
  });

  it('is refused in bfloat16 by the CPU', async () => {
    await expectOcrnetError(() => train(cpu, 'bfloat16'), 'UNSUPPORTED', 'cpu does not train in bfloat16');
  });
});

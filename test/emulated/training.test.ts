import { expect } from 'chai';
import { smallNetwork } from '../../bench/gpu/sizes.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { withDropout } from '../../lib/models/contexts/defaults.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { chain, clipByGlobalNorm, movingAverage, sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { TrainingProgram } from '../../lib/train/training-program.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers } from '../support/random.js';
import { syntheticImage } from '../support/synthetic-weights.js';

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
  const create = (device: Device, precision: Precision) =>
    TrainingProgram.create(device, config, {
      ...size,
      precision,
      losses: { ignoreLabel: 255 },
      optimiser: chain(clipByGlobalNorm(1), sgd(), movingAverage()),
      groups: {},
      initial: initialiser(1),
    });

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

  it('changes nothing where a label is no class', async () => {
    using program = await create(cuda, 'float32');
    const before = await blocksOf(program);
    const label = batch.label.slice();
    label[size.width + 3] = 99;
    await expectOcrnetError(
      () => program.step([{ ...batch, label }], { learningRate: 0.1, step: 0 }),
      'INVALID_DATA',
      'received 99 in row 1, column 3 of picture 0',
    );
    expect(await blocksOf(program)).to.deep.equal(before);
    await program.step([batch], { learningRate: 0.1, step: 0 });
    expect(await blocksOf(program)).to.not.deep.equal(before);
  });

  it('is refused in bfloat16 by the CPU', async () => {
    await expectOcrnetError(() => train(cpu, 'bfloat16'), 'UNSUPPORTED', 'cpu does not train in bfloat16');
  });
});

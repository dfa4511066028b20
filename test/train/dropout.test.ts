import { expect } from 'chai';
import { smallNetwork } from '../../bench/gpu/sizes.js';
import { withDropout } from '../../lib/models/contexts/defaults.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { loadRecipe } from '../../lib/train/recipe.js';
import { configOf } from '../../lib/train/recipe-network.js';
import { TrainingProgram, type TrainingProgramOptions } from '../../lib/train/training-program.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers } from '../support/random.js';
import { syntheticImage } from '../support/synthetic-weights.js';

const size = { batch: 2, height: 33, width: 33 };
const network = smallNetwork.config;
const next = randomNumbers(9);
const batch = {
  image: syntheticImage(size.batch, size.height, size.width),
  label: Uint8Array.from({ length: size.batch * size.height * size.width }, () =>
    Math.floor(network.classes * next()),
  ),
};

describe('dropout in training', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  /** Losses of these steps, which change nothing: the rate of learning is 0. */
  async function lossesOf(
    steps: readonly number[],
    { dropout = 0.5, ...options }: Partial<TrainingProgramOptions> & { dropout?: number } = {},
  ): Promise<number[]> {
    const config = { ...network, context: withDropout(network.context, dropout) };
    using program = await TrainingProgram.create(device, config, {
      ...size,
      losses: { ignoreLabel: 255 },
      optimiser: sgd(),
      groups: {},
      initial: initialiser(1),
      ...options,
    });
    const batches = Array.from({ length: options.accumulate ?? 1 }, () => batch);
    const losses: number[] = [];
    for (const step of steps) losses.push((await program.step(batches, { learningRate: 0, step })).finalLoss);
    return losses;
  }

  it('drops something else in each step, the same in the same step', async () => {
    const [zero, one, again, seven] = await lossesOf([0, 1, 0, 7]);
    expect(again).to.equal(zero);
    expect(new Set([zero, one, seven]).size).to.equal(3);
    expect(await lossesOf([7])).to.deep.equal([seven]);
    expect(new Set(await lossesOf([0, 1], { dropout: 0 })).size).to.equal(1);
  });

  it('follows its seed, all 53 bits of it', async () => {
    const seeds = [0, 1, 2 ** 40, 2 ** 40 + 1];
    const losses = await Promise.all(seeds.map(async (seed) => (await lossesOf([3], { seed }))[0]));
    expect(new Set(losses).size).to.equal(seeds.length);
    await expectOcrnetError(() => lossesOf([0], { seed: 0.5 }), 'INVALID_ARGUMENT', 'seed');
  });

  it('drops something else in each of the batches whose gradients are accumulated', async () => {
    const [first, second] = (await lossesOf([2, 3])) as [number, number];
    const [mean] = await lossesOf([1], { accumulate: 2 });
    expect(mean).to.be.closeTo((first + second) / 2, 1e-6);
    expect(first).not.to.equal(second);
  });

  it('is a key of recipes, over what the network has by itself', () => {
    const rates = (name: string, ...set: string[]) => {
      const { context } = configOf(loadRecipe(name, { set }), 5);
      return [context.dropout, 'auxiliaryDropout' in context && context.auxiliaryDropout];
    };
    expect(rates('small')).to.deep.equal([0, 0]);
    expect(rates('small', 'dropout=0.1')).to.deep.equal([0.1, 0]);
    expect(rates('small', 'dropout=0.1', 'context=ppm')).to.deep.equal([0.1, 0]);
    expect(rates('small', 'context.dropout=0.2')).to.deep.equal([0.2, 0]);
    expect(rates('base', 'model=ocrnet-resnet101')).to.deep.equal([0.05, 0.05]);
    expect(rates('base', 'model=ocrnet-resnet101', 'dropout=0.2')).to.deep.equal([0.2, 0.2]);
    expect(rates('base', 'model=ocrnet-resnet101', 'dropout=0')).to.deep.equal([0, 0]);
    expect(() => loadRecipe('small', { set: ['dropout=1'] })).to.throw('a number from 0 to below 1');
  });
});

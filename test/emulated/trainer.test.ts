import { expect } from 'chai';
import { sceneDataset } from '../../lib/data/scenes.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { loadRecipe } from '../../lib/train/recipe.js';
import { Trainer } from '../../lib/train/trainer.js';
import { countSteps, stateDigest, withRunsInFlight } from '../support/training-steps.js';

const dataset = sceneDataset({ count: 6, valCount: 1, width: 32, height: 24, seed: 3, classes: 'camvid' });

const recipeWith = (...set: string[]) =>
  loadRecipe('scenes', {
    set: [
      ...['crop={width: 17, height: 16}', 'batch=2', 'dropout=0.3', 'precision=float16'],
      ...['lossScale={initial: 1024, growthInterval: 1}', ...set],
    ],
  });

describe('trainers on CUDA devices, emulated', () => {
  let device: Device;
  /** Whose trainers await each step. */
  let other: Device;
  before(async () => {
    process.env.OCRNET_EMULATED_GPUS = '2';
    device = await openDevice({ device: 'cuda' });
    other = withRunsInFlight(await openDevice({ device: 'cuda' }), 1);
  });
  after(async () => {
    await Promise.all([device, other].map((one) => one.dispose()));
    delete process.env.OCRNET_EMULATED_GPUS;
  });

  async function train(on: Device, set: readonly string[]) {
    await using trainer = await Trainer.open({ recipe: recipeWith(...set), dataset, device: on });
    const { program } = trainer;
    const step = program.step.bind(program);
    program.step = (batches, options) => {
      const result = step(batches, options);
      // The device has a copy.
      for (const { image } of batches) image.fill(0);
      return result;
    };
    const counts = countSteps(program);
    const events = [];
    for await (const event of trainer) events.push({ ...event, at: 0, elapsedMs: 0, dataWaitMs: 0 });
    return { most: counts.most, events, states: await Promise.all(program.states.map(stateDigest)) };
  }

  for (const [how, ...set] of [
    ['with gradients accumulated', 'accumulate=2', 'steps=2'],
    ['on two devices', 'replicas=2', 'steps=3'],
  ] as const)
    it(`start a step before the last has ended, to the same bits, ${how}`, async () => {
      const { most, ...overlapping } = await train(device, set);
      const { most: one, ...awaited } = await train(other, set);
      expect([most, one]).to.deep.equal([2, 1]);
      expect(overlapping).to.deep.equal(awaited);
      for (const state of overlapping.states) expect(state).to.deep.equal(overlapping.states[0]);
      const steps = overlapping.events.filter(({ type }) => type === 'step');
      expect(steps.map(({ step }) => step)).to.deep.equal(how === 'on two devices' ? [1, 2, 3] : [1, 2]);
    });
});

import { expect } from 'chai';
import { checkpointReader } from '../../lib/checkpoint/weights.js';
import { withDropout } from '../../lib/models/contexts/defaults.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { chain, clipByGlobalNorm, movingAverage, sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { type TrainingBatch, TrainingProgram } from '../../lib/train/training-program.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers } from '../support/random.js';
import { syntheticCheckpoint } from '../support/synthetic-weights.js';
import { tinyNetwork } from '../support/tiny-network.js';

const [batch, height, width, classes] = [4, 64, 64, 4];
const network = tinyNetwork(classes);
const config = { ...network, context: withDropout(network.context, 0.2) };

/** Squares of colours under noise; every picture counts as many pixels, so that all means weigh alike. */
function batchOf(step: number): TrainingBatch {
  const next = randomNumbers(step + 1);
  const image = new Uint8Array(batch * height * width * 3);
  const label = new Uint8Array(batch * height * width);
  const cells = Array.from({ length: batch * 16 }, () => Math.floor(next() * classes));
  for (let i = 0; i < label.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width) % height];
    const kind = cells[Math.floor(i / (width * height)) * 16 + (y >> 4) * 4 + (x >> 4)] as number;
    label[i] = y < 2 ? 255 : kind;
    for (let c = 0; c < 3; c++) image[3 * i + c] = 60 * ((kind + c) % classes) + Math.floor(40 * next());
  }
  return { image, label };
}

describe('training on several devices', () => {
  let devices: Device[];
  beforeEach(async () => {
    devices = await Promise.all([1, 1].map((threads) => openDevice({ threads })));
  });
  afterEach(async () => {
    await Promise.all(devices.map((device) => device.dispose()));
  });

  const create = async (on: Device | readonly Device[], options: object = {}): Promise<TrainingProgram> => {
    const graph = buildSegmenter(config, { batch: 1, height, width, outputs: ['logits'] });
    return await TrainingProgram.create(on, config, {
      ...{ batch, height, width },
      initial: checkpointReader(graph, syntheticCheckpoint(graph)),
      losses: { ignoreLabel: 255, auxiliaryWeight: 0.4 },
      optimiser: chain(clipByGlobalNorm(5), sgd({ momentum: 0.9, weightDecay: 5e-4 }), movingAverage()),
      groups: {},
      ...options,
    });
  };
  /** Small, since each step multiplies the rounding of the one before: on one device too, when its pictures change places. */
  const rate = 0.001;

  async function expectEqualStates(program: TrainingProgram): Promise<void> {
    const [first, ...others] = program.states;
    for (const { name } of first?.blocks ?? []) {
      const expected = new Uint8Array((await first?.read(name))?.buffer as ArrayBuffer);
      for (const state of others) {
        const bits = new Uint8Array((await state.read(name)).buffer);
        expect(Buffer.compare(bits, expected), `bits of "${name}"`).to.equal(0);
      }
    }
  }

  for (const accumulate of [1, 2])
    it(`follows one device${accumulate > 1 ? ', with gradients accumulated' : ''}`, async () => {
      using single = await create(devices[0] as Device, { accumulate });
      using double = await create(devices, { accumulate });
      for (let step = 0; step < 5; step++) {
        const batches = Array.from({ length: accumulate }, (_, i) => batchOf(step * accumulate + i));
        const expected = await single.step(batches, { learningRate: rate, step });
        const result = await double.step(batches, { learningRate: rate, step });
        for (const name of ['finalLoss', 'auxiliaryLoss', 'loss'] as const)
          expect(result[name], `${name} of step ${step}`).to.be.closeTo(expected[name] as number, 1e-5);
        expect((result.gradientNorm as number) / (expected.gradientNorm as number)).to.be.closeTo(1, 1e-3);
        await expectEqualStates(double);
      }
    });

  it('keeps equal states where batch norms are not synchronised, and loses otherwise', async () => {
    using together = await create(devices);
    using apart = await create(devices, { synchronisedBatchNorm: false });
    const first = await together.step([batchOf(0)], { learningRate: rate, step: 0 });
    const other = await apart.step([batchOf(0)], { learningRate: rate, step: 0 });
    expect(Math.abs(first.loss - other.loss)).to.be.above(1e-4);
    const [a, b] = apart.states;
    const block = 'parameters';
    expect(await a?.read(block)).to.deep.equal(await b?.read(block));
  });

  it('refuses a batch that cannot be shared', async () => {
    await expectOcrnetError(() => create(devices, { batch: 3 }), 'INVALID_ARGUMENT', 'multiple', '2');
  });

  it('goes on after a step that was aborted', async () => {
    using program = await create(devices);
    await program.step([batchOf(0)], { learningRate: rate, step: 0 });
    let aborted = 0;
    for (const delay of [0, 2, 5, 10, 15]) {
      const controller = new AbortController();
      const step = program.step([batchOf(1)], { learningRate: rate, step: 1, signal: controller.signal });
      setTimeout(() => controller.abort(), delay);
      // A fast machine may be done before.
      aborted += await step.then(
        () => 0,
        async (error: unknown) => {
          await expectOcrnetError(() => Promise.reject(error), 'ABORTED');
          return 1;
        },
      );
      const { loss } = await program.step([batchOf(1)], { learningRate: rate, step: 1 });
      expect(loss).to.satisfy(Number.isFinite);
      await expectEqualStates(program);
    }
    expect(aborted).to.be.above(0);
  });

  it('says that a device is gone', async () => {
    using program = await create(devices);
    const step = program.step([batchOf(0)], { learningRate: rate, step: 0 });
    setTimeout(() => void devices[1]?.dispose(), 10);
    await expectOcrnetError(() => step, 'ABORTED');
    await expectOcrnetError(
      () => program.step([batchOf(0)], { learningRate: rate, step: 0 }),
      'DISPOSED',
      'device',
    );
  });
});

import { expect } from 'chai';
import { imageNetNormalisation } from '../../lib/models/normalisation.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { chain, clipByGlobalNorm, sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { TrainingProgram } from '../../lib/train/training-program.js';
import { contextVariants } from '../support/context-variants.js';
import { randomBytes, randomNumbers } from '../support/random.js';
import { smallBackbones } from '../support/small-backbones.js';

const size = { batch: 2, height: 33, width: 49 };
const classes = 3;
/** Length of the step down the gradient, which clipping makes a unit vector: short, for networks that start at random are steep. */
const learningRate = 1e-5;

/** Pictures whose classes have colours of their own. */
function batchOf() {
  const label = Uint8Array.from(
    { length: size.batch * size.height * size.width },
    (_, i) => Math.floor((i % size.width) / 17) % classes,
  );
  const noise = randomBytes([label.length * 3], randomNumbers(5)).data;
  const image = Uint8Array.from(noise, (value, i) => value / 4 + 60 * (label[Math.floor(i / 3)] as number));
  return { image, label };
}

describe('training with each context', function () {
  this.timeout(120_000);
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  for (const { name, context } of contextVariants({ channels: 16 }))
    for (const [family, backbone] of Object.entries(smallBackbones))
      it(`lowers the loss of ${name} on ${family} by what the gradient says`, async () => {
        const config = {
          backbone,
          context,
          classes,
          alignCorners: true,
          normalisation: imageNetNormalisation,
        };
        using program = await TrainingProgram.create(device, config, {
          ...size,
          losses: { ignoreLabel: 255 },
          optimiser: chain(clipByGlobalNorm(1), sgd({ momentum: 0 })),
          groups: {},
          initial: initialiser(1),
        });
        const step = async (number: number) =>
          await program.step([batchOf()], { learningRate, step: number });
        const [before, after] = [await step(0), await step(1)];
        const expected = learningRate * (before.gradientNorm as number);
        expect((before.loss - after.loss) / expected).to.be.closeTo(1, 0.3);
      });
});

import { erase } from '../../lib/ir/op.js';
import { activations } from '../../lib/ops/epilogue.js';
import { activate, batchNormTraining, concat } from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { checkGradient } from '../support/gradient-check.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';

describe('gradients of batch norm, activations and concat', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(async () => {
    await device.dispose();
  });

  const next = randomNumbers(6);
  /** Numbers away from 0 and 6, where activations have corners: no difference steps over one. */
  const awayFromCorners = (...shape: number[]): ReferenceTensor => {
    const tensor = randomTensor(shape, next, -3, 9);
    for (const [i, value] of tensor.data.entries())
      for (const corner of [0, 6]) if (Math.abs(value - corner) < 0.01) tensor.data[i] = corner + 0.5;
    return tensor;
  };

  // Without an activation the gradient passes as it is, and there is nothing to run.
  for (const activation of activations.filter((name) => name !== 'none'))
    it(`activate with ${activation}`, () =>
      checkGradient(device, {
        spec: erase(activate),
        inputs: { x: awayFromCorners(2, 5, 7, 3) },
        attributes: { activation, negativeSlope: 0.1 },
      }));

  it('concat', () =>
    checkGradient(device, {
      spec: erase(concat),
      inputs: {
        a: awayFromCorners(2, 3, 5, 7),
        b: awayFromCorners(2, 3, 5, 1),
        c: awayFromCorners(2, 3, 5, 4),
      },
      attributes: {},
    }));

  /** Few values, so that none of them lies where an activation has its corner. */
  const inputs = (withResidual: boolean) => ({
    x: randomTensor([2, 3, 5, 7], next, -1, 3),
    weight: randomTensor([7], next, 0.5, 1.5),
    bias: randomTensor([7], next),
    runningMean: randomTensor([7], next, 0, 2),
    runningVariance: randomTensor([7], next, 0.5, 2),
    ...(withResidual && { residual: randomTensor([2, 3, 5, 7], next) }),
  });
  for (const activation of activations)
    for (const frozen of [false, true])
      for (const form of ['plain', 'residual', 'recovered'] as const) {
        if (form === 'recovered' && activation !== 'none' && activation !== 'leakyRelu') continue;
        it(`batchNormTraining, ${form}, ${activation}${frozen ? ', frozen' : ''}`, () =>
          checkGradient(device, {
            spec: erase(batchNormTraining),
            inputs: inputs(form === 'residual'),
            attributes: {
              epsilon: 1e-5,
              momentum: 0.1,
              frozen,
              synchronised: false,
              recoversInput: form === 'recovered',
              activation,
              negativeSlope: 0.1,
            },
            unwanted: ['runningMean', 'runningVariance', ...(activation === 'none' ? ['residual'] : [])],
            differentiated: ['y'],
          }));
      }
});

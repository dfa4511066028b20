import { expect } from 'chai';
import { OcrnetError } from '../../lib/errors.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { erase } from '../../lib/ir/op.js';
import { dropped, noiseType } from '../../lib/ops/dropout.js';
import { dropout } from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { checkGradient } from '../support/gradient-check.js';
import { randomNumbers, randomTensor } from '../support/random.js';

describe('dropout', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  const next = randomNumbers(4);
  // Words above 2³¹ are negative numbers of 32 bits.
  const noise = { shape: noiseType.shape, data: Float64Array.of(-5, 77, 3, 2) };

  for (const drops of dropped)
    it(`of ${drops} has the factors that Philox says, on the device too, and their gradient`, () =>
      checkGradient(device, {
        spec: erase(dropout),
        inputs: { x: randomTensor([3, 4, 5, 7], next), noise },
        attributes: { rate: 0.3, drops, stream: 1 },
        integers: ['noise'],
      }));

  it('refuses what is no rate, and other noise', () => {
    const build = (rate: number, type = noiseType) => {
      const graph = new GraphBuilder('head');
      const x = graph.input('x', { dataType: 'float32', shape: [1, 2, 2, 3] });
      return () =>
        graph.add(dropout, { x, noise: graph.input('noise', type) }, { rate, drops: 'channels', stream: 0 });
    };
    build(0)();
    for (const rate of [-0.1, 1, 1 - 1e-9, Number.NaN])
      expect(build(rate), `${rate}`).to.throw(OcrnetError, 'head: dropout needs a rate from 0 to below 1');
    expect(build(0.5, { dataType: 'float32', shape: [4] })).to.throw(OcrnetError, 'noise as int32[4]');
  });
});

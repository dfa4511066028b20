import { expect } from 'chai';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import {
  expectGradients,
  expectLosses,
  expectScores,
  gradientError,
  runHead,
  trainHead,
  trainHeadPlainly,
} from '../support/context-checks.js';
import { goldenHeads } from '../support/context-heads.js';

describe('contexts on a CUDA device, emulated, against PyTorch', () => {
  const heads = goldenHeads();
  let device: Device;
  before(async () => {
    device = await openDevice({ device: 'cuda' });
  });
  after(() => device.dispose());

  for (const head of heads)
    it(`has the scores of ${head.name}, nearly so in bfloat16 and float16`, async () => {
      expectScores(await runHead(device, head, 'float32'), head, 1e-4);
      expectScores(await runHead(device, head, 'bfloat16'), head, 3e-2);
      expectScores(await runHead(device, head, 'float16'), head, 4e-3);
    });

  for (const head of heads)
    it(`has the losses and gradients of ${head.name}`, async () => {
      const trained = await trainHead(device, head, 'float32');
      expectLosses(trained, head, 1e-5);
      expectGradients(trained, head);
    });

  for (const [precision, lossTolerance] of [
    ['bfloat16', 1e-2],
    ['float16', 1.5e-3],
  ] as const)
    it(`trains in ${precision} as exactly as plain code`, async () => {
      const errors = { ours: [] as number[], plain: [] as number[] };
      for (const head of heads) {
        const trained = await trainHead(device, head, precision);
        expectLosses(trained, head, lossTolerance);
        errors.ours.push(gradientError(trained, head));
        errors.plain.push(gradientError(trainHeadPlainly(head, precision), head));
      }
      // Most of it comes from the few activations that rounding takes to the other side of a ReLU. In which head is luck.
      const worst = Math.max(...errors.plain);
      for (const [i, error] of errors.ours.entries()) expect(error, heads[i]?.name).to.be.below(2 * worst);
      expect(Math.hypot(...errors.ours)).to.be.below(2 * Math.hypot(...errors.plain));
    });
});

import { erase } from '../../lib/ir/op.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import {
  adaptiveAveragePool2d,
  aggregateRegions,
  attendRegions,
  distributeRegions,
  maxPool2d,
  resizeBilinear,
  scaleBy,
  scoreRegions,
  softmax,
  spatialSoftmax,
} from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { checkGradient } from '../support/gradient-check.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';

describe('gradients of resizes, poolings and regions', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(async () => {
    await device.dispose();
  });

  const next = randomNumbers(5);
  const random = (...shape: number[]) => randomTensor(shape, next);
  const check = (
    title: string,
    spec: { readonly name: string },
    inputs: Readonly<Record<string, ReferenceTensor>>,
    attributes: Readonly<Record<string, number | boolean | string>>,
    unwanted: readonly string[] = [],
  ) =>
    it(`${spec.name} ${title}`, () =>
      checkGradient(device, { spec: erase(spec), inputs, attributes, unwanted }));

  for (const alignCorners of [false, true])
    for (const [height, width] of [
      [10, 14],
      [20, 28],
      [3, 17],
      [2, 3],
      [1, 1],
    ])
      check(
        `to ${height}×${width}${alignCorners ? ', corners aligned' : ''}`,
        resizeBilinear,
        { x: random(2, 5, 7, 19) },
        { height: height as number, width: width as number, alignCorners, ...noActivation },
      );

  /** No two elements are nearer to each other than 1e-3, so that no difference changes who is the maximum. */
  const distinct = (...shape: number[]): ReferenceTensor => {
    const tensor = random(...shape);
    const order = [...tensor.data.keys()].sort(
      (a, b) => (tensor.data[a] as number) - (tensor.data[b] as number),
    );
    for (const [rank, i] of order.entries()) tensor.data[i] = Math.fround(rank / 1000);
    return tensor;
  };
  for (const [kernel, stride, padding, ceilMode] of [
    [3, 2, 1, false],
    [3, 2, 1, true],
    [2, 2, 0, false],
    [3, 1, 1, false],
  ] as const)
    check(
      `of ${kernel}×${kernel} windows, stride ${stride}${ceilMode ? ', rounded up' : ''}`,
      maxPool2d,
      { x: distinct(2, 7, 9, 5) },
      { kernel, stride, padding, ceilMode },
    );

  for (const [height, width] of [
    [1, 1],
    [2, 3],
    [6, 6],
  ])
    check(
      `to ${height}×${width}`,
      adaptiveAveragePool2d,
      { x: random(2, 5, 7, 19) },
      {
        height: height as number,
        width: width as number,
      },
    );

  check('over a batch', softmax, { x: random(2, 5, 7, 11) }, { scale: -0.7 });
  check('over a batch', scaleBy, { x: random(2, 5, 7, 19), factor: random(1) }, {});
  check('over a batch', spatialSoftmax, { logits: random(2, 5, 7, 11) }, { scale: 0.7 });
  check(
    'over a batch',
    aggregateRegions,
    { regions: random(2, 5, 7, 11), features: random(2, 5, 7, 19) },
    {},
  );
  check(
    'over a batch',
    distributeRegions,
    { regions: random(2, 5, 7, 11), vectors: random(2, 11, 1, 19) },
    {},
  );
  check('over a batch', scoreRegions, { features: random(2, 5, 7, 19), vectors: random(2, 11, 1, 19) }, {});
  const attention = {
    query: random(2, 5, 7, 13),
    key: random(2, 11, 1, 13),
    value: random(2, 11, 1, 19),
  };
  check('over a batch', attendRegions, attention, { scale: 0.3, ...noActivation });
  check('without key and value', attendRegions, attention, { scale: 0.3, ...noActivation }, ['key', 'value']);
});

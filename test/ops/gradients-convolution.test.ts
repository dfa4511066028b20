import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { AttributeValue } from '../../lib/ir/op.js';
import { conv2dFilterGradient, conv2dInputGradient } from '../../lib/ops/index.js';
import { windowCount } from '../../lib/ops/shapes.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { relativeError } from '../support/compare.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import { referenceOps } from '../support/reference-ops.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';
import { referenceTrainingOps } from '../support/reference-training-ops.js';

type Four = readonly [number, number, number, number];
interface Case {
  x: Four;
  filter: Four;
  stride?: number;
  padding?: number;
  dilation?: number;
  groups?: number;
}

const cases: Readonly<Record<string, Case>> = {
  '1×1': { x: [2, 5, 7, 6], filter: [9, 1, 1, 6] },
  '1×1 of stride 2': { x: [2, 6, 7, 6], filter: [9, 1, 1, 6], stride: 2 },
  '3×3': { x: [2, 9, 11, 40], filter: [36, 3, 3, 40], padding: 1 },
  '3×3 without padding': { x: [1, 6, 5, 4], filter: [7, 3, 3, 4] },
  '3×3 dilated': { x: [2, 9, 8, 35], filter: [33, 3, 3, 35], padding: 2, dilation: 2 },
  '3×3 of stride 2': { x: [2, 8, 9, 5], filter: [6, 3, 3, 5], stride: 2, padding: 1 },
  '7×7 of stride 2': { x: [2, 13, 15, 3], filter: [8, 7, 7, 3], stride: 2, padding: 3 },
  '3×3 depthwise': { x: [2, 7, 9, 18], filter: [18, 3, 3, 1], padding: 1, groups: 18 },
  '3×3 depthwise of stride 2': { x: [1, 7, 9, 18], filter: [18, 3, 3, 1], stride: 2, padding: 1, groups: 18 },
  'groups that multiply the channels': { x: [2, 5, 5, 6], filter: [12, 3, 3, 2], padding: 1, groups: 3 },
};

const dot = (a: ReferenceTensor, b: ReferenceTensor): number =>
  a.data.reduce((sum, value, i) => sum + value * (b.data[i] as number), 0);

const asFloats = ({ data, shape }: ReferenceTensor) => ({ data: Float32Array.from(data), shape });

describe('gradients of convolutions', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  for (const [name, { x: xShape, filter: filterShape, ...given }] of Object.entries(cases)) {
    const window = { stride: 1, padding: 0, dilation: 1, groups: 1, ...given };
    const [batch, height, width] = xShape;
    const [outputs, kernelHeight, kernelWidth] = filterShape;
    const next = randomNumbers(5);
    const x = randomTensor(xShape, next);
    const filter = randomTensor(filterShape, next);
    const residual = randomTensor(xShape, next);
    const rows = windowCount(height, kernelHeight, window);
    const dy = randomTensor([batch, rows, windowCount(width, kernelWidth, window), outputs], next);
    const inputAttributes = { ...window, height, width };
    const filterAttributes = { ...window, kernelHeight, kernelWidth };
    const expectedDx = (inputs: Readonly<Record<string, ReferenceTensor>>) =>
      referenceTrainingOps.conv2dInputGradient(inputs, inputAttributes).dx as ReferenceTensor;
    const expectedDFilter = () =>
      referenceTrainingOps.conv2dFilterGradient({ x, dy }, filterAttributes).dFilter as ReferenceTensor;

    it(`${name}: the references are the derivatives of conv2d`, () => {
      const epilogue: Readonly<Record<string, AttributeValue>> = { activation: 'none', negativeSlope: 0 };
      const loss = () =>
        dot(
          referenceOps.conv2d({ x, filter }, { ...window, ...epilogue, outputType: 'same' })
            .y as ReferenceTensor,
          dy,
        );
      // Linear in each: the step may be large, and only rounding remains.
      const difference = ({ data }: ReferenceTensor, i: number) => {
        const value = data[i] as number;
        data[i] = value + 0.5;
        const above = loss();
        data[i] = value - 0.5;
        const below = loss();
        data[i] = value;
        return above - below;
      };
      for (const [tensor, gradient] of [
        [x, expectedDx({ dy, filter })],
        [filter, expectedDFilter()],
      ] as const)
        for (let sample = 0; sample < 12; sample++) {
          const i = Math.floor(next() * tensor.data.length);
          expect(difference(tensor, i)).to.be.closeTo(gradient.data[i] as number, 1e-9);
        }
    });

    // Winograd's float32 sums err by some 1e-6 of their norm, direct ones by less.
    it(`${name}: the device's are those of the references`, async () => {
      const graph = new GraphBuilder();
      const input = (label: string, { shape }: ReferenceTensor) =>
        graph.input(label, { dataType: 'float32', shape });
      const values = {
        x: input('x', x),
        dy: input('dy', dy),
        filter: input('filter', filter),
        residual: input('residual', residual),
      };
      const { dx } = graph.add(
        conv2dInputGradient,
        { dy: values.dy, filter: values.filter },
        inputAttributes,
      );
      const sum = graph
        .at('sum')
        .add(
          conv2dInputGradient,
          { dy: values.dy, filter: values.filter, residual: values.residual },
          inputAttributes,
        );
      const { dFilter } = graph.add(conv2dFilterGradient, { x: values.x, dy: values.dy }, filterAttributes);
      graph.output('dx', dx);
      graph.output('sum', sum.dx);
      graph.output('dFilter', dFilter);
      const program = await device.load(
        device.compile(graph.build(), { precision: 'float32' }),
        device.createWeights(),
      );
      const floats = Object.entries({ x, dy, filter, residual }).map(([key, tensor]) => [
        key,
        asFloats(tensor).data,
      ]);
      const { outputs: results } = await program.run(Object.fromEntries(floats));
      const compare = (result: unknown, expected: ReferenceTensor) =>
        expect(relativeError(result as Float32Array, expected.data)).to.be.below(5e-6);
      compare(results.dx, expectedDx({ dy, filter }));
      compare(results.sum, expectedDx({ dy, filter, residual }));
      compare(results.dFilter, expectedDFilter());
      await program.dispose();
    });
  }
});

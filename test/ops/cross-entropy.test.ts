import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { crossEntropy } from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import { runReference } from '../support/reference-graph.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';

const plain = {
  weight: 0.7,
  ignoreLabel: 255,
  labelSmoothing: 0,
  hardThreshold: 0,
  hardMinimum: 0,
  alignCorners: false,
};

function lossGraph(attributes: typeof plain, classes: number) {
  const graph = new GraphBuilder('loss');
  const { loss, dLogits } = graph.add(
    crossEntropy,
    {
      logits: graph.input('logits', { dataType: 'float32', shape: [2, 4, 5, classes] }),
      labels: graph.input('labels', { dataType: 'uint8', shape: [2, 13, 17] }),
      classWeights: graph.input('classWeights', { dataType: 'float32', shape: [classes] }),
    },
    attributes,
  );
  graph.output('loss', loss);
  graph.output('dLogits', dLogits);
  return graph.build();
}

function valuesFor(classes: number): Record<string, ReferenceTensor> {
  const next = randomNumbers(classes);
  const labels = Float64Array.from({ length: 2 * 13 * 17 }, () => Math.floor(next() * (classes + 1)));
  return {
    logits: randomTensor([2, 4, 5, classes], next, -3, 3),
    labels: { shape: [2, 13, 17], data: labels.map((label) => (label === classes ? 255 : label)) },
    classWeights: randomTensor([classes], next, 0.5, 2),
  };
}

describe('crossEntropy', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(async () => {
    await device.dispose();
  });

  const run = async (graph: ReturnType<typeof lossGraph>, values: Record<string, ReferenceTensor>) => {
    const program = await device.load(
      device.compile(graph, { precision: 'float32' }),
      device.createWeights(),
    );
    const data = Object.entries(values).map(([name, tensor]) => [
      name,
      name === 'labels' ? Uint8Array.from(tensor.data) : Float32Array.from(tensor.data),
    ]);
    return (await program.run(Object.fromEntries(data))).outputs;
  };

  for (const alignCorners of [false, true])
    for (const labelSmoothing of [0, 0.1])
      for (const hardThreshold of [0, 0.2])
        for (const classes of [3, 19]) {
          const attributes = { ...plain, alignCorners, labelSmoothing, hardThreshold, hardMinimum: 40 };
          it(`${classes} classes, smoothing ${labelSmoothing}, hard below ${hardThreshold}, ${
            alignCorners ? 'corners aligned' : 'half pixels'
          }`, async () => {
            const graph = lossGraph(attributes, classes);
            const values = valuesFor(classes);
            const { loss, dLogits } = runReference(graph, values) as Record<string, ReferenceTensor>;
            const logits = values.logits as ReferenceTensor;
            const step = 1e-5;
            for (let i = 0; i < logits.data.length; i += 11) {
              const moved = (by: number) => {
                const data = Float64Array.from(logits.data);
                data[i] = (data[i] as number) + by;
                return runReference(graph, { ...values, logits: { ...logits, data } }).loss
                  ?.data[0] as number;
              };
              // Third derivatives · step² / 6, and the loss' rounding / step.
              const difference = (moved(step) - moved(-step)) / (2 * step);
              expect(difference, `dLogits[${i}]`).to.be.closeTo(dLogits?.data[i] as number, 1e-9);
            }
            const outputs = await run(graph, values);
            expect(outputs.loss?.[0]).to.be.closeTo(
              loss?.data[0] as number,
              1e-5 * (loss?.data[0] as number),
            );
            expect(
              relativeError(outputs.dLogits as Float32Array, (dLogits as ReferenceTensor).data),
            ).to.be.below(1e-5);
          });
        }

  it('refuses labels that are no class, and goes on', async () => {
    const graph = lossGraph(plain, 3);
    const values = valuesFor(3);
    const labels = values.labels as ReferenceTensor;
    const wrong = { ...labels, data: labels.data.with(13 * 17 + 2 * 17 + 5, 3) };
    await expectOcrnetError(
      () => run(graph, { ...values, labels: wrong as ReferenceTensor }),
      'INVALID_DATA',
      'received 3 in row 2, column 5 of picture 1 of the batch',
    );
    expect((await run(graph, values)).loss?.[0]).to.be.greaterThan(0);
  });
});

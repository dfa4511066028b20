import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { objectAttention, ocrForms } from '../../lib/models/contexts/object-context.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import { runReference } from '../support/reference-graph.js';

/** The relation that a network puts out is not the one that it computes with, which never exists as a whole. */
describe('the relation of pixels to regions', () => {
  for (const form of ocrForms)
    it(`is that of the attention, in the form of ${form}`, () => {
      const builder = new GraphBuilder();
      const input = (name: string, channels: number) =>
        builder.input(name, { dataType: 'float32', shape: [2, 3, 5, channels] });
      const [pixels, regions] = [input('pixels', 8), input('regions', 4)];
      const config = { form, channels: 6, keyChannels: 7, epsilon: 1e-5, negativeSlope: 0 };
      const { relation } = objectAttention(builder, pixels, config, { regions });
      builder.output('relation', relation());
      const graph = builder.build();
      const attention = graph.nodes.find(({ spec }) => spec.name === 'attendRegions');
      if (!attention) throw new Error('no attention');
      const more = { value: attention.inputs.value, attended: attention.outputs.y };
      const outputs = Object.entries(more).map(([name, value]) => ({ name, value: value as typeof pixels }));

      const next = randomNumbers(ocrForms.indexOf(form));
      const values = Object.fromEntries(
        [...graph.inputs, ...graph.parameters].map(({ name, value }) => [
          name,
          // Running variances have to be positive.
          randomTensor(value.type.shape, next, /var$/.test(name) ? 0.5 : -1, 1),
        ]),
      );
      const result = runReference({ ...graph, outputs: [...graph.outputs, ...outputs] }, values);
      const [weights, vectors, attended] = ['relation', 'value', 'attended'].map(
        (name) => result[name]?.data as Float64Array,
      ) as [Float64Array, Float64Array, Float64Array];
      for (let pixel = 0; pixel < 2 * 15; pixel++)
        for (let c = 0; c < 7; c++) {
          let sum = 0;
          for (let k = 0; k < 4; k++)
            sum +=
              (weights[4 * pixel + k] as number) *
              (vectors[28 * Math.floor(pixel / 15) + 7 * k + c] as number);
          expect(sum).to.be.closeTo(attended[7 * pixel + c] as number, 1e-12);
        }
    });
});

import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { activate, adaptiveAveragePool2d, sliceChannels } from '../../lib/ops/index.js';
import { openDevice } from '../../lib/runtime/device.js';

describe('slices of channels', () => {
  it('are read where they are, in plans that the device accepts', async () => {
    await using device = await openDevice();
    const [height, width, channels, first, count] = [3, 4, 8, 3, 2];
    const g = new GraphBuilder();
    const relu = (x: Parameters<typeof g.output>[1], path: string) =>
      g.at(path).add(activate, { x }, { activation: 'relu', negativeSlope: 0 }).y;
    const x = g.input('x', { dataType: 'float32', shape: [1, height, width, channels] });
    const wide = relu(x, 'wide');
    const slice = g.at('slice').add(sliceChannels, { x: wide }, { first, count }).y;
    const again = g.at('again').add(sliceChannels, { x: slice }, { first: 1, count: 1 }).y;
    g.output('slice', relu(slice, 'ofSlice'));
    g.output('again', relu(again, 'ofAgain'));
    g.output('mean', g.at('mean').add(adaptiveAveragePool2d, { x: wide }, { height: 1, width: 1 }).y);

    const program = await device.load(
      device.compile(g.build(), { precision: 'float32' }),
      device.createWeights(),
    );
    const data = Float32Array.from({ length: height * width * channels }, (_, i) => 50 - ((i * 37) % 101));
    const { outputs } = await program.run({ x: data });
    const expected = (from: number, to: number) =>
      [...data]
        .map((value) => Math.max(value, 0))
        .filter((_, i) => i % channels >= from && i % channels < to);
    expect([...(outputs.slice as Float32Array)]).to.deep.equal(expected(first, first + count));
    expect([...(outputs.again as Float32Array)]).to.deep.equal(expected(first + 1, first + 2));
  });
});

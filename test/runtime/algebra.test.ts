import { expect } from 'chai';
import { compile } from '../../lib/compile/compile.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { algebraGraphs, randomValues } from '../support/algebra-graphs.js';
import { relativeError } from '../support/compare.js';
import { runReference } from '../support/reference-graph.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';

describe('algebra on the CPU', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  for (const { name, graph } of algebraGraphs())
    it(`agrees with the plain form of ${name}`, async () => {
      const run = async (precision: 'float32' | 'bfloat16', algebra: boolean) => {
        const compiled = device.compile(graph, { precision, algebra });
        const values = randomValues(graph, compiled.graph);
        const array = (key: string) => Float32Array.from((values[key] as ReferenceTensor).data);
        const weights = device.createWeights();
        for (const { name: key, value } of compiled.graph.parameters)
          weights.set(key, value.type.shape, array(key));
        const program = await device.load(compiled, weights);
        const inputs = graph.inputs.map(({ name: key }) => [key, array(key)] as const);
        const { outputs } = await program.run(Object.fromEntries(inputs));
        program.dispose();
        weights.dispose();
        return outputs.y as Float32Array;
      };
      const { graph: plain } = compile(graph, {
        target: device.target,
        precision: 'float32',
        algebra: false,
      });
      const expected = runReference(plain, randomValues(graph, plain)).y as ReferenceTensor;
      expect(relativeError(await run('float32', true), expected.data), 'algebra').to.be.below(1e-5);
      expect(relativeError(await run('float32', false), expected.data), 'plain').to.be.below(1e-5);
      if (!device.supports('bfloat16')) return;
      const [better, simple] = [
        relativeError(await run('bfloat16', true), expected.data),
        relativeError(await run('bfloat16', false), expected.data),
      ];
      expect(better, 'bfloat16').to.be.below(Math.max(1.5e-2, 2 * simple));
    });
});

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { constant } from '../../lib/ir/initializer.js';
import { conv2d } from '../../lib/ops/conv2d.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import { openDevice } from '../../lib/runtime/device.js';
import { temporaryFolder } from '../support/temporary-folder.js';

describe('tuning on a CUDA device, emulated', () => {
  const folder = temporaryFolder();

  /** A 3×3 convolution of 16 channels to 24. */
  function network() {
    const builder = new GraphBuilder('conv');
    const x = builder.input('x', { dataType: 'float32', shape: [1, 9, 11, 16] });
    const filter = builder.parameter('filter', [24, 3, 3, 16], {
      kind: 'stored',
      fileLayout: 'filter',
      initializer: constant(0),
      trainable: true,
    });
    const attributes = { stride: 1, padding: 1, dilation: 1, groups: 1, ...noActivation } as const;
    builder.output('y', builder.add(conv2d, { x, filter }, { ...attributes, outputType: 'float32' }).y);
    return builder.build();
  }

  for (const [precision, tf32] of [
    ['float32', false],
    ['float32', true],
    ['bfloat16', false],
    ['float16', false],
  ] as const satisfies readonly (readonly [Precision, boolean])[])
    it(`finds that all kernels agree, in ${tf32 ? 'TF32' : precision}`, async () => {
      const tuning = folder.path('tuning.json');
      await using device = await openDevice({ device: 'cuda', tf32, tuning });
      const graph = network();
      const weights = device.createWeights();
      weights.set('conv.filter', [24, 3, 3, 16], new Float32Array(24 * 9 * 16).fill(1));
      const program = await device.load(device.compile(graph, { precision }), weights);
      const { devices } = JSON.parse(readFileSync(tuning, 'utf8')) as {
        devices: Record<string, Record<string, { milliseconds: Record<string, number>; wrong: string[] }>>;
      };
      const [[identity = '', problems = {}] = []] = Object.entries(devices);
      expect(identity).to.include(tf32 ? 'TF32' : ', float32');
      const [measured] = Object.values(problems).filter(
        ({ milliseconds }) => Object.keys(milliseconds).length > 1,
      );
      expect(measured?.wrong).to.deep.equal([]);
      const times = Object.entries(measured?.milliseconds ?? {}).sort(([, a], [, b]) => a - b);
      const names = times.map(([name]) => name);
      expect(names).to.include.members(['direct']).and.have.length.of.at.least(3);
      // The emulated GPU is a Hopper.
      const rounds = precision !== 'float32' || tf32;
      expect(names.some((name) => name.startsWith('wgmma '))).to.equal(rounds);
      expect(program.compiled.steps.map(({ algorithm }) => algorithm)).to.include(times[0]?.[0]);
    });
});

import { expect } from 'chai';
import { checkpointReader, eachWeight, type ReadParameter } from '../../lib/checkpoint/weights.js';
import { lower } from '../../lib/compile/compile.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { exportOnnx } from '../../lib/export/onnx/index.js';
import type { Graph } from '../../lib/ir/graph.js';
import { buildSegmenter, type SegmenterOutput } from '../../lib/models/segmenter.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import type { TensorData } from '../../lib/runtime/program.js';
import type { Weights } from '../../lib/runtime/weights.js';
import { relativeError } from '../support/compare.js';
import { type GoldenNetwork, goldenNetworks } from '../support/golden.js';
import { runOnnx, toGraphLayout } from '../support/onnxruntime.js';
import { syntheticCheckpoint } from '../support/synthetic-weights.js';

type Outputs = Readonly<Record<string, ArrayLike<number>>>;

function expectEqual(actual: Outputs, expected: GoldenNetwork['outputs'], tolerance: number): void {
  for (const [name, { data }] of Object.entries(expected)) {
    // The tolerance is for scores. A softmax turns their absolute error into a relative one.
    const allowed = name === 'regions' ? 2 * tolerance : tolerance;
    expect(relativeError(actual[name] as ArrayLike<number>, data), name).to.be.below(allowed);
  }
}

describe('networks on the CPU', function () {
  this.timeout(120_000);
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(async () => {
    await device.dispose();
  });

  for (const network of goldenNetworks())
    describe(network.name, () => {
      let graph: Graph;
      let read: ReadParameter;
      let weights: Weights;
      before(() => {
        const { config, outputs, batch, height, width } = network;
        graph = buildSegmenter(config, {
          batch,
          height,
          width,
          outputs: Object.keys(outputs) as SegmenterOutput[],
        });
        const make = checkpointReader(graph, syntheticCheckpoint(graph));
        const made = new Map<string, Float32Array>();
        read = (parameter) => {
          const data = made.get(parameter.name) ?? make(parameter);
          made.set(parameter.name, data);
          return data;
        };
        weights = device.createWeights();
        for (const [{ name, value }, data] of eachWeight(lower(graph, 'float32'), read))
          weights.set(name, value.type.shape, data);
      });
      after(() => weights.dispose());

      const run = async (precision: Precision): Promise<Readonly<Record<string, TensorData>>> => {
        const program = await device.load(device.compile(graph, { precision }), weights);
        const { outputs } = await program.run({ image: network.image });
        program.dispose();
        return outputs;
      };

      it('agrees with PyTorch in float32', async () => {
        expectEqual(await run('float32'), network.outputs, 1e-4);
      });

      it('agrees with PyTorch in bfloat16', async function () {
        if (!device.supports('bfloat16')) this.skip(); // a processor without it refuses such plans
        expectEqual(await run('bfloat16'), network.outputs, 2e-2);
      });

      it('agrees with PyTorch as an exported ONNX file in onnxruntime', async () => {
        const outputs = await runOnnx(exportOnnx(graph, read), graph, {
          image: {
            shape: [network.batch, network.height, network.width, 3],
            data: Float64Array.from(network.image),
          },
        });
        const inLayout = Object.entries(outputs).map(
          ([name, output]) => [name, toGraphLayout(output)] as const,
        );
        expectEqual(Object.fromEntries(inLayout), network.outputs, 1e-4);
      });
    });
});

import { checkpointReader } from '../../lib/checkpoint/weights.js';
import { exportOnnx } from '../../lib/export/onnx/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import {
  expectGradients,
  expectLosses,
  expectScores,
  inputsOf,
  runHead,
  trainHead,
} from '../support/context-checks.js';
import { goldenHeads, headGraph } from '../support/context-heads.js';
import { runOnnx, toGraphLayout } from '../support/onnxruntime.js';
import { syntheticCheckpoint } from '../support/synthetic-weights.js';

describe('contexts, against PyTorch', function () {
  this.timeout(60_000);
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  for (const head of goldenHeads())
    describe(head.name, () => {
      it('has the same scores', async () => {
        expectScores(await runHead(device, head, 'float32'), head, 1e-4);
      });

      it('has nearly the same scores in bfloat16', async function () {
        if (!device.supports('bfloat16')) this.skip(); // a processor without it refuses such plans
        expectScores(await runHead(device, head, 'bfloat16'), head, 3e-2);
      });

      it('has the same scores as an ONNX file in onnxruntime', async () => {
        const graph = headGraph(head, 'inputs');
        const file = exportOnnx(graph, checkpointReader(graph, syntheticCheckpoint(graph)));
        const given = Object.fromEntries(
          Object.entries(inputsOf(head)).map(([name, data]) => [
            name,
            { shape: [], data: Float64Array.from(data) },
          ]),
        );
        const outputs = await runOnnx(file, graph, given);
        const inLayout = Object.entries(outputs).map(
          ([name, output]) => [name, toGraphLayout(output)] as const,
        );
        expectScores(Object.fromEntries(inLayout), head, 1e-4);
      });

      it('has the same losses and gradients', async () => {
        const trained = await trainHead(device, head, 'float32');
        expectLosses(trained, head, 1e-5);
        expectGradients(trained, head);
      });
    });
});

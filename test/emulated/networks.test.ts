import { expect } from 'chai';
import { smallNetwork } from '../../bench/gpu/sizes.js';
import { eachWeight } from '../../lib/checkpoint/weights.js';
import { lower } from '../../lib/compile/compile.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { erase } from '../../lib/ir/op.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { gatherRegions } from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import type { Program } from '../../lib/runtime/program.js';
import type { Weights } from '../../lib/runtime/weights.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { syntheticImage } from '../support/synthetic-weights.js';

const size = { batch: 1, height: 33, width: 49 };
const image = syntheticImage(size.batch, size.height, size.width);

describe('OCR on a CUDA device, emulated', () => {
  let devices: { readonly cpu: Device; readonly cuda: Device };
  before(async () => {
    devices = { cpu: await openDevice({ device: 'cpu' }), cuda: await openDevice({ device: 'cuda' }) };
  });
  after(() => Promise.all(Object.values(devices).map((device) => device.dispose())));

  const graph = buildSegmenter(smallNetwork.config, { ...size, outputs: ['logits', 'regions', 'labels'] });
  const scoresAlone = buildSegmenter(smallNetwork.config, { ...size, outputs: ['logits'] });

  function weightsOn(device: Device, precision: Precision): Weights {
    const weights = device.createWeights();
    for (const [{ name, value }, data] of eachWeight(lower(graph, precision), initialiser(1)))
      weights.set(name, value.type.shape, data);
    return weights;
  }

  const load = (device: Device, precision: Precision, network = graph): Promise<Program> =>
    device.load(device.compile(network, { precision }), weightsOn(device, precision));

  const gathersFromScores = ({ compiled: { steps } }: Program): boolean =>
    steps.some(({ node }) => node.spec === erase(gatherRegions));

  for (const [precision, tolerance] of [
    ['float32', 1e-4],
    // As for the CPU against PyTorch.
    ['bfloat16', 2e-2],
    // An eighth of that.
    ['float16', 2.5e-3],
  ] as const)
    it(`has the CPU's scores and regions in ${precision}`, async () => {
      const expected = await (await load(devices.cpu, 'float32')).run({ image });
      const program = await load(devices.cuda, precision);
      for (let run = 0; run < 2; run++) {
        const { outputs } = await program.run({ image });
        for (const name of ['logits', 'regions'])
          expect(
            relativeError(outputs[name] as Float32Array, expected.outputs[name] as Float32Array),
            name,
          ).to.be.below(tolerance);
        const same = outputs.labels?.filter((label, i) => label === expected.outputs.labels?.[i]);
        expect(same?.length).to.be.above((1 - 10 * tolerance) * size.height * size.width);
      }
      expect(devices.cuda.arenaBytes).to.equal(program.compiled.arenaBytes);
      expect(gathersFromScores(program)).to.equal(false);
      program.dispose();

      const withoutRegions = await load(devices.cuda, precision, scoresAlone);
      expect(gathersFromScores(withoutRegions)).to.equal(true);
      const { logits } = (await withoutRegions.run({ image })).outputs;
      expect(relativeError(logits as Float32Array, expected.outputs.logits as Float32Array)).to.be.below(
        tolerance,
      );
      withoutRegions.dispose();
    });

  it('times each step', async () => {
    const program = await load(devices.cuda, 'float32');
    const { stepsMs, elapsedMs } = await program.run({ image }, { profile: true });
    expect(stepsMs).to.have.length(program.compiled.steps.length);
    expect(stepsMs?.reduce((a, b) => a + b, 0)).to.be.within(0.2 * elapsedMs, elapsedMs);
    program.dispose();
  });

  it('names a weight that is missing', async () => {
    const compiled = devices.cuda.compile(graph, { precision: 'float32' });
    await expectOcrnetError(
      () => devices.cuda.load(compiled, devices.cuda.createWeights()),
      'INVALID_WEIGHTS',
      compiled.graph.parameters[0]?.name as string,
    );
  });

  it('says how much memory a plan wants and how much is free, and goes on', async () => {
    const large = { batch: 500, height: 1024, width: 1024 };
    const compiled = devices.cuda.compile(
      buildSegmenter(smallNetwork.config, { ...large, outputs: ['labels'] }),
      { precision: 'bfloat16' },
    );
    await expectOcrnetError(
      () => devices.cuda.load(compiled, weightsOn(devices.cuda, 'bfloat16')),
      'OUT_OF_MEMORY',
      `${compiled.arenaBytes} bytes`,
      /\d+ are free/,
    );
    (await load(devices.cuda, 'bfloat16')).dispose();
  });

  it('ends a run that waits when it is aborted, and goes on', async () => {
    const program = await load(devices.cuda, 'float32');
    const controller = new AbortController();
    const first = program.run({ image });
    const second = program.run({ image }, { signal: controller.signal });
    controller.abort();
    await expectOcrnetError(() => second, 'ABORTED');
    await first;
    await program.run({ image });
    program.dispose();
  });

  it('is disposed of during runs, and then refuses work', async () => {
    const device = await openDevice({ device: 'cuda' });
    const program = await load(device, 'float32');
    const runs = Promise.allSettled(Array.from({ length: 4 }, () => program.run({ image })));
    await device.dispose();
    const codes = (await runs).map((result) => (result.status === 'rejected' ? result.reason.code : 'done'));
    // Two may have been in flight.
    for (const code of codes.slice(0, 2)) expect(code).to.be.oneOf(['done', 'ABORTED']);
    expect(codes.slice(2)).to.deep.equal(['ABORTED', 'ABORTED']);
    expect(device.arenaBytes).to.equal(0);
    await expectOcrnetError(() => program.run({ image }), 'DISPOSED');
  });
});

import { expect } from 'chai';
import { modelConfig } from '../../lib/models/registry.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { openDevice } from '../../lib/runtime/device.js';
import { RunChain } from '../../lib/runtime/run-chain.js';
import { loadModel } from '../../lib/serve/load-model.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { compileRunningSum } from '../support/graphs.js';

describe('devices', () => {
  it('refuse a plan that is larger than the free memory, with both numbers', async () => {
    await using device = await openDevice();
    const graph = buildSegmenter(modelConfig('hrnet-w18-small'), {
      batch: 4000,
      height: 512,
      width: 512,
      outputs: ['labels'],
    });
    const compiled = device.compile(graph, { precision: 'float32' });
    await expectOcrnetError(
      () => device.load(compiled, device.createWeights()),
      'OUT_OF_MEMORY',
      /expected a plan of at most [\d.]+ GB, which are free, received one of [\d.]+ GB/,
    );
  });

  it('refuse impossible options', async () => {
    await expectOcrnetError(() => openDevice({ threads: 0 }), 'INVALID_ARGUMENT', 'from 1 to 1024');
    await expectOcrnetError(() => openDevice({ device: 'gpu' as 'cpu' }), 'INVALID_ARGUMENT', '"gpu"');
  });

  it('end an aborted run at once, also one that waits for its turn', async () => {
    await using model = await loadModel('ocrnet-hrnet-w18-small', { onWarning: () => {} });
    const program = await model.compile({ batch: 1, height: 512, width: 1024, outputs: ['labels'] });
    const image = new Uint8Array(512 * 1024 * 3);
    const order: string[] = [];
    const first = program.run({ image }).then(() => order.push('first'));
    const controller = new AbortController();
    const second = program.run({ image }, { signal: controller.signal });
    controller.abort();
    await expectOcrnetError(() => second, 'ABORTED');
    order.push('second');
    await first;
    expect(order).to.deep.equal(['second', 'first']);
    expect((await program.run({ image })).outputs.labels).to.have.length(512 * 1024);
    program.dispose();
  });

  it('keep their state to themselves', async () => {
    await using device = await openDevice();
    await using other = await openDevice();
    const compiled = compileRunningSum(device);
    const state = device.createState(compiled.layout.states);
    await expectOcrnetError(
      () => other.load(compiled, other.createWeights(), state),
      'INVALID_ARGUMENT',
      'expected one of this device',
    );
    const program = await device.load(compiled, device.createWeights(), state);
    await state.write('total', Float32Array.of(1, 2), 1);
    await program.run({ part: Float32Array.of(1, 1, 1), weights: Float32Array.of(1, 10) });
    expect([...(await state.read('total'))]).to.deep.equal([10, 11, 12]);
    await expectOcrnetError(() => state.write('total', Float32Array.of(1), 3), 'INVALID_ARGUMENT', '3 + 1');
    state.dispose();
  });

  it('run a chain up to the run that fails', async () => {
    await using device = await openDevice();
    const compiled = compileRunningSum(device);
    const state = device.createState(compiled.layout.states);
    const program = await device.load(compiled, device.createWeights(), state);
    const chain = new RunChain();
    const run = (part: Float32Array) => program.run({ part, weights: Float32Array.of(10, 1) }, { chain });
    const [first, wrong, behind] = [
      run(Float32Array.of(1, 2, 3)),
      run(Float32Array.of(4)),
      run(Float32Array.of(5, 5, 5)),
    ];
    behind.catch(() => {});
    await expectOcrnetError(() => wrong, 'INVALID_ARGUMENT', 'Invalid input "part"');
    await expectOcrnetError(() => behind, 'ABORTED', 'A run before this one failed');
    await first;
    expect(chain.broken).to.equal(true);
    expect([...(await state.read('total'))]).to.deep.equal([1, 2, 3]);
    state.dispose();
  });

  it('use the arena that was planned, to the byte', async () => {
    await using model = await loadModel('ocrnet-hrnet-w18-small', { onWarning: () => {} });
    const program = await model.compile({ batch: 1, height: 65, width: 129, outputs: ['labels', 'regions'] });
    await program.run({ image: new Uint8Array(65 * 129 * 3) });
    expect(model.device.arenaBytes).to.equal(program.compiled.arenaBytes);
    expect(model.summary({ height: 65, width: 129 }).arenaBytes).to.be.within(
      0.98 * program.compiled.arenaBytes,
      1.02 * program.compiled.arenaBytes,
    );
    program.dispose();
  });
});

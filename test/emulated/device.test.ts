import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { activate } from '../../lib/ops/index.js';
import { type Device, describeMachine, openDevice } from '../../lib/runtime/device.js';
import { ops } from '../../lib/runtime/operations.js';
import { ocrnet } from '../support/command-line.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers, randomTensor } from '../support/random.js';
import { withTuring } from '../support/turing.js';

const numbers = (shape: readonly number[], seed: number) => ({
  data: Float32Array.from(randomTensor(shape, randomNumbers(seed)).data),
  shape,
});

describe('CUDA devices, emulated', () => {
  let device: Device;
  before(async () => {
    device = await openDevice({ device: 'cuda' });
  });
  after(() => device.dispose());

  it('are described', () => {
    const { built, emulated, runtimeVersion, driverVersion, unavailable, devices } = describeMachine().cuda;
    expect({ built, emulated, unavailable }).to.deep.equal({
      built: true,
      emulated: true,
      unavailable: undefined,
    });
    expect([runtimeVersion, driverVersion]).to.satisfy((versions: string[]) =>
      versions.every((version) => /^\d+\.\d+$/.test(version)),
    );
    const [gpu] = devices;
    expect(gpu).to.include({ index: 0 });
    expect(gpu?.computeCapability).to.match(/^\d+\.\d$/);
    expect(gpu?.memoryBytes).to.be.above(0);
    expect(device).to.include({ name: 'cuda', description: gpu?.model, threads: undefined });
  });

  it('are among what doctor tells', async () => {
    const { code, stdout } = await ocrnet(['doctor']);
    expect(code, stdout).to.equal(0);
    expect(stdout).to.match(/^CUDA +runtime \d+\.\d+, a driver for CUDA \d+\.\d+, GPU emulated/m);
    expect(stdout).to.match(/^GPU 0 +.*compute capability \d\.\d, \d+ multiprocessors/m);
  });

  it('run and train in all precisions', () => {
    for (const precision of ['float32', 'bfloat16', 'float16'] as const) {
      expect(device.supports(precision)).to.equal(true);
      expect(device.trains(precision)).to.equal(true);
    }
  });

  it('of compute capability 7.5 run in float32 and float16, and say what they lack', () =>
    withTuring(async (turing) => {
      expect(describeMachine().cuda.devices[1]).to.include({ computeCapability: '7.5' });
      for (const precision of ['float32', 'bfloat16', 'float16'] as const) {
        expect(turing.supports(precision)).to.equal(precision !== 'bfloat16');
        expect(turing.trains(precision)).to.equal(precision !== 'bfloat16');
      }
      await expectOcrnetError(
        async () => turing.requirePrecision('bfloat16'),
        'UNSUPPORTED',
        'compute capability 8.0 or newer, or float32 or float16, received compute capability 7.5',
      );
      await expectOcrnetError(
        () => openDevice({ device: 'cuda', index: 1, tf32: true }),
        'UNSUPPORTED',
        'no tensor cores for TF32',
      );
      const x = numbers([1, 2, 3, 8], 1);
      await expectOcrnetError(
        () => ops.cast({ x }, { outputType: 'bfloat16' }, { device: turing }),
        'UNSUPPORTED',
        'no tensor cores for bfloat16',
      );
      await expectOcrnetError(
        () => ops.attendPixels({ query: x, key: x, value: x }, { scale: 1 }, { device: turing }),
        'UNSUPPORTED',
        'shared memory',
      );
    }));

  it('convert to float16 and back as IEEE 754 has it', async () => {
    // Ties to even; the largest number and what rounds beyond it; the least subnormal number and half of it.
    const x = Float32Array.of(
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65504,
      65519,
      -65520,
      2 ** -24,
      -(2 ** -25),
      NaN,
    );
    const shape = [1, 1, 2, 4];
    const { y } = await ops.cast({ x: { data: x, shape } }, { outputType: 'float16' }, { device });
    const back = await ops.cast({ x: y }, { outputType: 'float32' }, { device });
    expect(y.dataType).to.equal('float16');
    expect([...back.y.data]).to.deep.equal([1, 1 + 2 ** -9, 65504, 65504, -Infinity, 2 ** -24, -0, NaN]);
    await expectOcrnetError(
      () => ops.cast({ x: y }, { outputType: 'bfloat16' }, { device }),
      'INVALID_GRAPH',
      'to and from float32',
    );
  });

  it('refuse options of other devices, and GPUs that are not there', async () => {
    const refused = (options: object, ...texts: string[]) =>
      expectOcrnetError(() => openDevice(options), 'INVALID_ARGUMENT', ...texts);
    await refused({ device: 'cuda', threads: 2 }, 'threads', 'none for the device cuda');
    await refused({ device: 'cpu', index: 0 }, 'index', 'none for the device cpu');
    await refused({ tf32: true }, 'tf32', 'none for the device auto');
    await refused({ device: 'cuda', index: -1 }, 'index');
    await refused({ device: 'cuda', tf32: 1 }, 'tf32');
    await expectOcrnetError(
      () => openDevice({ device: 'cuda', index: 99 }),
      'DEVICE_UNAVAILABLE',
      'received 99',
    );
  });

  it('do single operations as the CPU does, also two devices at once', async () => {
    await using other = await openDevice({ device: 'cuda', index: 0, tf32: true });
    await using cpu = await openDevice({ device: 'cpu', threads: 1 });
    const [a, b] = [numbers([2, 5, 7, 9], 1), numbers([2, 5, 7, 9], 2)];
    const sum = (device: Device) => ops.add({ a, b }, { activation: 'relu' }, { device });
    const [expected, ...sums] = await Promise.all([cpu, device, other, device].map(sum));
    for (const { y } of sums) expect(y.data).to.deep.equal(expected?.y.data);
  });

  /** Two activations in a row, planned as they are. */
  function twice(shape: readonly number[]) {
    const builder = new GraphBuilder('twice');
    const relu = { activation: 'relu', negativeSlope: 0 } as const;
    const x = builder.input('x', { dataType: 'float32', shape });
    const once = builder.at('first').add(activate, { x }, relu).y;
    builder.output('y', builder.at('second').add(activate, { x: once }, relu).y);
    return device.compilePrepared(builder.build());
  }

  it('refuse a plan whose arrays are larger than their memory, and go on', async () => {
    await expectOcrnetError(
      () => device.load(twice([1, 65536, 65536, 64]), device.createWeights()),
      'OUT_OF_MEMORY',
      /needs 4398046511104 bytes for the inputs and outputs of two runs, which the device does not give: \d+ are free/,
    );
    const small = await device.load(twice([1, 2, 2, 1]), device.createWeights());
    const { outputs } = await small.run({ x: Float32Array.of(-1, 0, 1, 2) });
    expect([...(outputs.y as Float32Array)]).to.deep.equal([0, 0, 1, 2]);
    small.dispose();
  });
});

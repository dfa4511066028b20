import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { constant } from '../../lib/ir/initializer.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import { conv2d } from '../../lib/ops/conv2d.js';
import { describeMachine, openDevice } from '../../lib/runtime/device.js';
import { addonPath } from '../../lib/runtime/native.js';
import { ocrnet } from '../support/command-line.js';
import { relativeError } from '../support/compare.js';
import { randomNumbers } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';

interface TableFile {
  readonly format: string;
  readonly devices: Record<string, Record<string, { milliseconds: Record<string, number>; wrong: string[] }>>;
}

/** What stands in for cuDNN: test/native/cudnn-stand-in. */
const standIn = (name: string) => join(dirname(addonPath()), '../cudnn-stand-in', `${name}.so`);
const cudnn = 'cuDNN 9.6.0';

describe('cuDNN on a CUDA device, both emulated', () => {
  const folder = temporaryFolder();
  const tuning = () => folder.path('tuning.json');
  const readTable = () => JSON.parse(readFileSync(tuning(), 'utf8')) as TableFile;
  const measured = () =>
    Object.values(readTable().devices)
      .flatMap((problems) => Object.values(problems))
      .filter(({ milliseconds }) => Object.keys(milliseconds).length > 1);
  const next = randomNumbers(1);
  const randomFloats = (shape: readonly number[]) =>
    Float32Array.from({ length: elementCount(shape) }, () => next() - 0.5);
  const shape = [1, 9, 11, 16];
  const filterShape = [24, 3, 3, 16];
  const [x, filter, bias] = [shape, filterShape, [24]].map(randomFloats) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];

  const environment = { ...process.env };
  const warnings: string[] = [];
  const hear = (warning: Error) => warnings.push(warning.message);
  beforeEach(() => {
    process.env.OCRNET_CUDNN = standIn('cudnn-stand-in');
    warnings.length = 0;
    process.on('warning', hear);
  });
  afterEach(() => {
    process.off('warning', hear);
    for (const name of ['OCRNET_CUDNN', 'OCRNET_CUDNN_STAND_IN'])
      if (environment[name] === undefined) delete process.env[name];
      else process.env[name] = environment[name];
  });

  /** A 3×3 convolution with bias and activation, run twice. */
  async function run(options: { tuning?: string } = {}): Promise<{ y: Float32Array; algorithms: string[] }> {
    const builder = new GraphBuilder('conv');
    const type = { kind: 'stored', fileLayout: 'filter', initializer: constant(0), trainable: true } as const;
    const inputs = {
      x: builder.input('x', { dataType: 'float32', shape }),
      filter: builder.parameter('filter', filterShape, type),
      bias: builder.parameter('bias', [24], { ...type, fileLayout: 'plain' }),
    };
    const window = { stride: 1, padding: 1, dilation: 1, groups: 1 } as const;
    const relu = { activation: 'relu', negativeSlope: 0, outputType: 'same' } as const;
    builder.output('y', builder.add(conv2d, inputs, { ...window, ...relu }).y);
    await using device = await openDevice({ device: 'cuda', ...options });
    const weights = device.createWeights();
    weights.set('conv.filter', filterShape, filter);
    weights.set('conv.bias', [24], bias);
    const program = await device.load(device.compile(builder.build(), { precision: 'float32' }), weights);
    const [first, second] = [await program.run({ x }), await program.run({ x })];
    expect(second.outputs).to.deep.equal(first.outputs);
    await new Promise(setImmediate);
    return {
      y: first.outputs.y as Float32Array,
      algorithms: program.compiled.steps.map(({ algorithm }) => algorithm),
    };
  }

  it('is measured, compared and chosen by the clock, and by nothing else', async () => {
    const plain = await run();
    expect(plain.algorithms).to.not.include(cudnn);
    await run({ tuning: tuning() });
    const [{ milliseconds = {}, wrong = [] } = {}] = measured();
    expect(wrong).to.deep.equal([]);
    expect(Object.keys(milliseconds)).to.include.members([cudnn, 'direct']);
    for (const fastest of [cudnn, 'direct']) {
      const table = readTable();
      for (const problems of Object.values(table.devices))
        for (const { milliseconds: times } of Object.values(problems))
          for (const name of Object.keys(times)) times[name] = name === fastest ? 1e-3 : 1;
      writeFileSync(tuning(), JSON.stringify(table));
      const tuned = await run({ tuning: tuning() });
      expect(tuned.algorithms).to.include(fastest);
      expect(relativeError(tuned.y, plain.y)).to.be.below(1e-5);
    }
    expect(warnings).to.deep.equal([]);
  });

  it('is replaced by the next fastest where it is missing, which a warning says once', async () => {
    await run({ tuning: tuning() });
    const table = readTable();
    for (const problems of Object.values(table.devices))
      for (const { milliseconds: times } of Object.values(problems))
        for (const name of Object.keys(times)) times[name] = { [cudnn]: 1e-3, direct: 2e-3 }[name] ?? 1;
    writeFileSync(tuning(), JSON.stringify(table));
    process.env.OCRNET_CUDNN = '';
    expect((await run({ tuning: tuning() })).algorithms).to.include('direct');
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/^"cuDNN 9\.6\.0" is fastest by .*tuning\.json, but is not offered here/);
  });

  it('is left out where it fails, which a warning says', async () => {
    process.env.OCRNET_CUDNN_STAND_IN = 'fails';
    expect((await run({ tuning: tuning() })).algorithms).to.not.include(cudnn);
    expect(measured()[0]?.wrong).to.deep.equal([cudnn]);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/^"cuDNN 9\.6\.0" fails on this device \(.*CUDNN_STATUS_EXECUTION_FAILED/);
  });

  it('is told of by doctor, or why it is not used', async () => {
    expect(describeMachine().cuda.cudnn).to.deep.equal({
      path: standIn('cudnn-stand-in'),
      version: '9.6.0',
    });
    expect((await ocrnet(['doctor'])).stdout).to.match(
      /^cuDNN +9\.6\.0 \(.*\), a candidate for convolutions/m,
    );
    for (const [path, reason] of [
      [standIn('cudnn-old'), 'expected cuDNN 9, received cuDNN 8.9.7'],
      [standIn('cudnn-incomplete'), 'the library has no cudnnGetErrorString'],
    ] as const) {
      process.env.OCRNET_CUDNN = path;
      expect(describeMachine().cuda.cudnn).to.deep.equal({ path, unavailable: reason });
    }
    process.env.OCRNET_CUDNN = '';
    expect((await ocrnet(['doctor'])).stdout).to.match(
      /^cuDNN +not used, and not needed: OCRNET_CUDNN is empty/m,
    );
  });
});

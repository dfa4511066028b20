import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { encodePlan } from '../../lib/compile/encode.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph } from '../../lib/ir/graph.js';
import { constant } from '../../lib/ir/initializer.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import { conv2d } from '../../lib/ops/conv2d.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { type NativeDevice, native } from '../../lib/runtime/native.js';
import { agrees, Tuner } from '../../lib/runtime/tuner.js';
import { TuningTable } from '../../lib/runtime/tuning-table.js';
import type { Weights } from '../../lib/runtime/weights.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { randomNumbers } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Two equal 3×3 convolutions and a pointwise one. */
function network(): Graph {
  const builder = new GraphBuilder();
  let x = builder.input('x', { dataType: 'float32', shape: [1, 12, 14, 16] });
  for (const [i, size] of [3, 3, 1].entries()) {
    const filter = builder.parameter(`${i}.filter`, [16, size, size, 16], {
      kind: 'stored',
      fileLayout: 'filter',
      initializer: constant(0),
      trainable: true,
    });
    const attributes = { stride: 1, padding: (size - 1) / 2, dilation: 1, groups: 1 };
    x = builder.at(i).add(conv2d, { x, filter }, { ...attributes, ...noActivation, outputType: 'same' }).y;
  }
  builder.output('y', x);
  return builder.build();
}

function randomWeights(device: Device, graph: Graph): Weights {
  const weights = device.createWeights();
  const next = randomNumbers(3);
  for (const { name, value } of graph.parameters)
    weights.set(
      name,
      value.type.shape,
      Float32Array.from({ length: elementCount(value.type.shape) }, () => next() - 0.5),
    );
  return weights;
}

interface TableFile {
  readonly format: string;
  readonly devices: Record<string, Record<string, { milliseconds: Record<string, number>; wrong: string[] }>>;
}

describe('tuning', () => {
  const folder = temporaryFolder();
  const graph = network();
  const path = () => folder.path('tuning.json');
  const readTable = () => JSON.parse(readFileSync(path(), 'utf8')) as TableFile;
  const next = randomNumbers(1);
  const x = Float32Array.from({ length: 12 * 14 * 16 }, () => next() - 0.5);

  async function run(tuning?: string): Promise<{ y: Float32Array; algorithms: string[] }> {
    await using device = await openDevice({ device: 'cpu', threads: 1, ...(tuning && { tuning }) });
    const compiled = device.compile(graph, { precision: 'float32', algebra: false });
    const program = await device.load(compiled, randomWeights(device, graph));
    const { outputs } = await program.run({ x });
    return {
      y: outputs.y as Float32Array,
      algorithms: program.compiled.steps.map(({ algorithm }) => algorithm),
    };
  }

  it('measures each problem once and gives the same results', async () => {
    const plain = await run();
    const tuned = await run(path());
    expect(relativeError(tuned.y, plain.y)).to.be.below(1e-4);
    const { format, devices } = readTable();
    expect(format).to.equal('ocrnet tuning 1');
    const [[identity = '', problems] = []] = Object.entries(devices);
    expect(identity).to.match(/, 1 threads, oneDNN .*, ocrnet /);
    // Two of the three convolutions are the same problem.
    expect(Object.keys(problems ?? {})).to.have.length(2);
    for (const { milliseconds, wrong } of Object.values(problems ?? {})) {
      expect(Object.keys(milliseconds).length).to.be.at.least(2);
      expect(wrong).to.deep.equal([]);
    }
    const writtenAt = statSync(path()).mtimeMs;
    expect((await run(path())).algorithms).to.deep.equal(tuned.algorithms);
    expect(statSync(path()).mtimeMs).to.equal(writtenAt);
  });

  it('runs what is fastest by the table, whatever that is', async () => {
    await run(path());
    const names = Object.keys(
      Object.values(Object.values(readTable().devices)[0] ?? {})[0]?.milliseconds ?? {},
    );
    for (const fastest of names) {
      const table = readTable();
      for (const problems of Object.values(table.devices))
        for (const { milliseconds } of Object.values(problems))
          for (const name of Object.keys(milliseconds)) milliseconds[name] = name === fastest ? 1e-3 : 1;
      writeFileSync(path(), JSON.stringify(table));
      expect((await run(path())).algorithms.slice(0, 2)).to.deep.equal([fastest, fastest]);
    }
  });

  it('keeps what was measured of other devices', async () => {
    const other = { 'another device': { 'a problem': { milliseconds: { fast: 1 }, wrong: [] } } };
    writeFileSync(path(), JSON.stringify({ format: 'ocrnet tuning 1', devices: other }));
    await run(path());
    expect(Object.keys(readTable().devices)).to.have.length(2).and.include('another device');
  });

  /** A device, and what its second algorithm for a problem is called. */
  interface Erring {
    readonly device: NativeDevice;
    readonly wrongName: string;
  }

  /**
   * A device whose second algorithm errs, for the first problem that is measured.
   *
   * @param err - after each run: of the algorithm that was loaded as number `place`
   */
  function erring(err: (place: number, output: Float32Array) => void): Erring {
    const real = native().openCpu({ threads: 1 });
    let wrongName = '';
    let loads = 0;
    const device: NativeDevice = {
      info: real.info,
      inspect: (plan) => real.inspect(plan),
      candidates: (plan) => {
        const candidates = real.candidates(plan);
        wrongName ||= candidates[0]?.[1]?.name ?? '';
        return candidates;
      },
      createWeights: () => real.createWeights(),
      createState: (blocks) => real.createState(blocks),
      freeBytes: () => real.freeBytes(),
      load: async (plan, weights) => {
        const program = await real.load(plan, weights);
        const place = loads++; // candidates are loaded in turn
        return {
          run: async (inputs, outputs, options) => {
            const result = await program.run(inputs, outputs, options);
            err(place, outputs[0] as Float32Array);
            return result;
          },
          arenaBytes: () => program.arenaBytes(),
          dispose: () => program.dispose(),
        };
      },
      arenaBytes: () => real.arenaBytes(),
      dispose: () => real.dispose(),
    };
    return {
      device,
      get wrongName() {
        return wrongName;
      },
    };
  }

  /** What comes of tuning on the device, and which warnings. */
  async function tuneOn(device: NativeDevice) {
    const tuner = new Tuner(device, TuningTable.open(path(), 'a device that errs'));
    const warnings: string[] = [];
    const hear = (warning: Error) => warnings.push(warning.message);
    process.on('warning', hear);
    try {
      await using plainDevice = await openDevice({ device: 'cpu', threads: 1 });
      const compiled = plainDevice.compile(graph, { precision: 'float32', algebra: false });
      const target = { ...plainDevice.target, inspect: tuner.inspect.bind(tuner) };
      const tuned = await tuner.tune(compiled, target);
      await new Promise(setImmediate);
      return { tuned, warnings };
    } finally {
      process.off('warning', hear);
      await device.dispose();
    }
  }

  const firstWrong = () => Object.values(Object.values(readTable().devices)[0] ?? {})[0]?.wrong;

  it('leaves out an algorithm whose results differ, and warns', async () => {
    const one = erring((place, output) => {
      if (place === 1) output[5] = 3;
    });
    const { tuned, warnings } = await tuneOn(one.device);
    expect(encodePlan(tuned.layout)).to.deep.equal(tuned.bytes);
    expect(firstWrong()).to.deep.equal([one.wrongName]);
    expect(tuned.steps.slice(0, 2).some(({ algorithm }) => algorithm === one.wrongName)).to.equal(false);
    expect(warnings.join('\n')).to.match(/gives other results than .* and is left out: conv2d/);
  });

  it('does without an algorithm that has broken the device, once that is opened anew', async () => {
    let broken = false;
    const one = erring((place) => {
      if (place === 1) broken = true;
      if (broken) throw new Error('the kernel was stopped');
    });
    await expectOcrnetError(
      () => tuneOn(one.device),
      'EXECUTION_FAILED',
      new RegExp(
        `^"${one.wrongName || '.*'}" has left the device unusable: expected a device that is opened anew`,
      ),
    );
    expect(firstWrong()).to.deep.equal([one.wrongName]);
    const { tuned, warnings } = await tuneOn(native().openCpu({ threads: 1 }));
    expect(warnings).to.deep.equal([]);
    expect(firstWrong()).to.deep.equal([one.wrongName]);
    expect(tuned.steps.slice(0, 2).some(({ algorithm }) => algorithm === one.wrongName)).to.equal(false);
  });

  it('compares elements with their magnitude and the root of the mean square', () => {
    const reference = Float32Array.of(1, -1, 1, -1);
    expect(agrees(Float32Array.of(1.001, -1, 1, -1), reference, 1e-3)).to.equal(true);
    expect(agrees(Float32Array.of(1.003, -1, 1, -1), reference, 1e-3)).to.equal(false);
    expect(agrees(Float32Array.of(Number.NaN, -1, 1, -1), reference, 1)).to.equal(false);
  });

  describe('refuses', () => {
    for (const [what, content] of [
      ['no JSON', 'half a ta'],
      ['other JSON', '{"format":"ocrnet tuning 0","devices":{}}'],
      ['an empty file', ''],
    ] as const)
      it(`${what}, which stays as it is`, async () => {
        writeFileSync(path(), content);
        await expectOcrnetError(
          () => run(path()),
          'INVALID_DATA',
          /tuning\.json is no table of tuning: expected JSON of the format "ocrnet tuning 1"/,
        );
        expect(readFileSync(path(), 'utf8')).to.equal(content);
      });

    it('a folder', async () => {
      mkdirSync(path());
      await expectOcrnetError(() => run(path()), 'FILE_UNREADABLE', /tuning\.json/);
    });

    it('what is no path', async () => {
      await expectOcrnetError(
        () => openDevice({ tuning: '' }),
        'INVALID_ARGUMENT',
        /tuning: expected the path of a file/,
      );
    });
  });
});

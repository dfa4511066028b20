import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import type { Parameter } from '../../lib/ir/graph.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { modelConfig } from '../../lib/models/registry.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { openDevice } from '../../lib/runtime/device.js';
import { defaultClasses } from '../../lib/serve/classes.js';
import { loadModel } from '../../lib/serve/load-model.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { scene } from '../support/pictures.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { tinyNetwork } from '../support/tiny-network.js';

const network = tinyNetwork(3);
const quietly = { onWarning: () => {} };
const names = (parameters: readonly Parameter[]) => parameters.map(({ name }) => name).sort();

describe('loading and saving models', () => {
  const folder = temporaryFolder();

  it('saves a file that loads into the same network', async () => {
    const path = folder.path('model.safetensors');
    const picture = await scene(65, 33).png().toBuffer();
    await using model = await loadModel(network, { ...quietly, seed: 7 });
    await model.save(path);
    await using loaded = await loadModel(path);
    expect(loaded.config).to.deep.equal(model.config);
    const [expected, received] = await Promise.all([model, loaded].map((one) => one.segment(picture)));
    expect(received?.labels).to.deep.equal(expected?.labels);
    await using named = await loadModel(network, { ...quietly, weights: path });
    expect((await named.segment(picture)).labels).to.deep.equal(expected?.labels);
    await using other = await loadModel(network, { ...quietly, seed: 8 });
    expect((await other.segment(picture)).labels, 'seeds differ').to.not.deep.equal(expected?.labels);
  });

  it('warns once that weights are random, and of nothing else', async () => {
    const warnings: string[] = [];
    const onWarning = (message: string) => void warnings.push(message);
    await using random = await loadModel(network, { onWarning });
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/random weights/);
    await random.save(folder.path('model.safetensors'));
    await using _ = await loadModel(folder.path('model.safetensors'), { onWarning });
    expect(warnings).to.have.length(1);
  });

  it('keeps the file at hand: plans for small pictures want weights that others do not', async () => {
    const path = folder.path('dilated.safetensors');
    const base = modelConfig('mobilenet-v2', { classes: 3 });
    const dilated = { ...base, context: contextConfig('aspp', { channels: 64 }) };
    await using model = await loadModel(dilated, { ...quietly, seed: 3 });
    await model.save(path);
    await using loaded = await loadModel(path);
    const parametersAt = (size: number) =>
      loaded.device.compile(
        buildSegmenter(dilated, { batch: 1, height: size, width: size, outputs: ['logits'] }),
        {
          precision: 'float32',
        },
      ).graph.parameters;
    expect(names(parametersAt(40)), 'taps of the dilated filters are cut off').to.not.deep.equal(
      names(parametersAt(512)),
    );
    await rm(path);
    for (const size of [40, 256]) {
      const picture = await scene(size, size).png().toBuffer();
      const [expected, received] = [await model.segment(picture), await loaded.segment(picture)];
      expect(received.labels, `${size}`).to.deep.equal(expected.labels);
    }
  });

  it('leaves a device open that was given, and needs none of its own', async () => {
    await using device = await openDevice({ threads: 1 });
    const picture = await scene(32, 32).png().toBuffer();
    const models = [
      await loadModel(network, { ...quietly, device }),
      await loadModel(tinyNetwork(5), { ...quietly, device }),
    ];
    const [first, second] = models;
    await first?.dispose();
    expect((await second?.segment(picture))?.width, 'the device lives').to.equal(32);
    await second?.dispose();
    expect(device.threads).to.equal(1);
  });

  it('refuses files that are no weights, damaged, or of another network', async () => {
    const path = folder.path('model.safetensors');
    await using model = await loadModel(network, quietly);
    await model.save(path);
    const whole = await readFile(path);
    const refused = (...texts: (string | RegExp)[]) =>
      expectOcrnetError(() => loadModel(path), 'INVALID_WEIGHTS', 'model.safetensors', ...texts);

    await expectOcrnetError(
      () => loadModel(tinyNetwork(4), { weights: path }),
      'INVALID_WEIGHTS',
      'the file is for 3 classes, the model for 4',
    );
    await expectOcrnetError(
      () => loadModel('resnet18', { weights: path }),
      'INVALID_WEIGHTS',
      'does not fit',
    );
    await truncate(path, whole.length - 5);
    await refused();
    await writeFile(path, whole.subarray(0, 100));
    await refused();
    await writeFile(path, 'not weights at all');
    await refused();
    await writeFile(path, '');
    await refused();
    const other = { tensors: new Map([['x', { shape: [1] }]]), read: () => Float32Array.of(1) };
    await writeSafetensors(path, other, {});
    await refused('does not say which network');
    await writeSafetensors(path, other, {
      ocrnet: '{"version":99}',
    });
    await refused('cannot be used');
    await expectOcrnetError(() => loadModel(folder.path('absent.safetensors')), 'FILE_NOT_FOUND', 'absent');
  });

  it('refuses float16 on the CPU by what the CPU has', async () => {
    await expectOcrnetError(
      () => loadModel('ocrnet-mobilenet-v2', { device: 'cpu', precision: 'float16' }),
      'UNSUPPORTED',
      'cpu has no float16 arithmetic: use float32',
      /expected float32( or bfloat16)?, received "?float16/,
    );
  });

  it('refuses impossible options', async () => {
    const refused = (model: Parameters<typeof loadModel>[0], options: object, ...texts: string[]) =>
      expectOcrnetError(() => loadModel(model, options), 'INVALID_ARGUMENT', ...texts);
    await refused('ocrnet-hrnet-48', {}, 'did you mean ocrnet-hrnet-w48');
    await refused('ocrnet-mobilenet-v2', { classes: 0 }, 'classes', '0');
    await refused('ocrnet-mobilenet-v2', { form: 'best' }, 'form', 'paper');
    await refused('resnet18', { form: 'paper' }, 'form', 'no OCR module');
    await refused('ocrnet-mobilenet-v2', { precision: 'float64' }, 'precision', 'float16');
    await refused('ocrnet-mobilenet-v2', { device: 'gpu' }, 'device', 'cuda');
    await refused(
      'ocrnet-mobilenet-v2',
      { device: 'cuda', threads: 2 },
      'threads',
      'none for the device cuda',
    );
    await refused('ocrnet-mobilenet-v2', { threads: 0 }, 'threads', '0');
    await refused({ ...network, classes: -1 }, {}, 'classes');
    await refused(network, { classes: 5 }, 'classes');
    await using device = await openDevice();
    await refused('ocrnet-mobilenet-v2', { device, threads: 2 }, 'threads');
    await refused(
      'ocrnet-mobilenet-v2',
      { device, tuning: 'tuning.json' },
      'tuning',
      'none with an open device',
    );
    await using model = await loadModel(network, quietly);
    await model.save(folder.path('m.safetensors'));
    await refused(folder.path('m.safetensors'), { classes: 5 }, 'classes');
    await refused(folder.path('m.safetensors'), { weights: 'other.safetensors' }, 'weights');
  });

  it('writes nothing where it cannot', async () => {
    await using model = await loadModel(network, quietly);
    const path = folder.path('no/folder/model.safetensors');
    await expectOcrnetError(() => model.save(path), 'FILE_NOT_WRITTEN', path);
    const size = { height: 32, width: 32 };
    await expectOcrnetError(() => model.exportOnnx(path, size), 'FILE_NOT_WRITTEN', path);
    expect(await readdir(folder.root())).to.deep.equal([]);
  });
});

describe('default classes', () => {
  it('are those of the data set with as many, else numbered', () => {
    expect(defaultClasses(19)[0]).to.deep.equal({ name: 'road', colour: [128, 64, 128] });
    expect(defaultClasses(11)[8]).to.deep.equal({ name: 'car', colour: [64, 0, 128] });
    expect(defaultClasses(3)).to.deep.equal([
      { name: 'class 0', colour: [0, 0, 0] },
      { name: 'class 1', colour: [128, 0, 0] },
      { name: 'class 2', colour: [0, 128, 0] },
    ]);
  });
});

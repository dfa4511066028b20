import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSafetensors } from '../../lib/checkpoint/safetensors.js';
import { paperAugmentation } from '../../lib/data/augment/augment.js';
import { OcrnetError } from '../../lib/errors.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { modelConfig } from '../../lib/models/registry.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { defaultModelFile } from '../../lib/serve/default-model.js';
import { parseDescription } from '../../lib/serve/model-file.js';
import { configurationNames } from '../../lib/train/paper-tables.js';
import { ParameterArena } from '../../lib/train/parameter-arena.js';
import { hasPrefix } from '../../lib/train/parameter-prefix.js';
import { loadRecipe, optimiserOf, recipeText, scheduleOf } from '../../lib/train/recipe.js';
import { openRecipeDataset, trainingSource } from '../../lib/train/recipe-data.js';
import { recipeNames } from '../../lib/train/recipe-file.js';
import { configOf, networkName } from '../../lib/train/recipe-network.js';
import { recipeSchema } from '../../lib/train/recipe-schema.js';

const published = ['cityscapes', 'ade20k', 'lip', 'pascal-context', 'coco-stuff'].flatMap((data) => [
  `${data}-resnet101-ocr`,
  `${data}-hrnet-w48-ocr`,
]);

describe('recipes', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ocrnet-recipes-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  const failure = (nameOrPath: string, ...set: string[]): OcrnetError => {
    try {
      loadRecipe(nameOrPath, { set });
    } catch (error) {
      expect(error).to.be.instanceOf(OcrnetError);
      return error as OcrnetError;
    }
    throw new Error(`${nameOrPath} with ${set.join(' ')} was accepted`);
  };

  describe('that ocrnet brings', () => {
    it('are these', () => {
      expect(recipeNames()).to.have.members([
        ...['base', 'small', 'camvid', 'scenes', 'ablation', 'cityscapes-mobilenet-v2-ocr'],
        ...['cityscapes-coarse-resnet101-ocr', 'cityscapes-coarse-hrnet-w48-ocr'],
        ...published,
        ...configurationNames(),
      ]);
    });

    for (const name of recipeNames())
      it(`${name} is valid, and the same after being written`, () => {
        const recipe = loadRecipe(name);
        expect(recipe.name).to.equal(name);
        const again = write(`${name.replaceAll('/', '-')}-again.yaml`, recipeText(recipe));
        expect(loadRecipe(again)).to.deep.equal(recipe);
        expect(optimiserOf(recipe)).to.be.a('function');
        // Every prefix of parameters that it names exists.
        const { height, width } = recipe.crop;
        const graph = buildSegmenter(configOf(recipe, 11), { batch: 1, height, width, outputs: ['logits'] });
        const arena = ParameterArena.of(graph.parameters, recipe.groups);
        for (const prefix of recipe.pretrainedIgnore)
          expect(
            arena.trained.some((one) => hasPrefix(one.name, prefix)),
            prefix,
          ).to.equal(true);
      });

    it('base writes down the defaults', () => {
      const { evaluation, ...recipe } = loadRecipe('base');
      const { evaluation: given, ...defaults } = recipeSchema.parse({ name: 'base', model: recipe.model });
      expect(recipe).to.deep.equal(defaults);
      expect(evaluation).to.deep.equal({ ...given, weights: 'trained' });
      expect(recipe.augment).to.deep.equal(paperAugmentation);
    });

    it('camvid is the network that comes with the package', () => {
      const file = openSafetensors(defaultModelFile());
      const described = parseDescription(file.metadata, 'the shipped model');
      file.close();
      expect(configOf(loadRecipe('camvid'), 11)).to.deep.equal(described?.config);
    });

    it('the published ones are what the paper says', () => {
      const expected: Readonly<Record<string, readonly [number, number, number, number, number]>> = {
        cityscapes: [0.01, 0.0005, 769, 8, 40_000],
        ade20k: [0.02, 0.0001, 520, 16, 150_000],
        lip: [0.007, 0.0005, 473, 32, 100_000],
        'pascal-context': [0.001, 0.0001, 520, 16, 30_000],
        'coco-stuff': [0.001, 0.0001, 520, 16, 60_000],
      };
      for (const [data, [rate, weightDecay, crop, batch, steps]] of Object.entries(expected))
        for (const model of ['resnet101', 'hrnet-w48']) {
          const recipe = loadRecipe(`${data}-${model}-ocr`);
          expect(recipe.data).to.deep.equal({ kind: data, train: 'train', val: 'val', mix: [] });
          expect(recipe.schedule).to.deep.equal({ rate, power: 0.9, warmUp: 0 });
          expect(recipe.optimiser).to.deep.equal({
            kind: 'sgd',
            momentum: 0.9,
            nesterov: false,
            weightDecay,
          });
          expect([recipe.crop.height, recipe.crop.width, recipe.batch, recipe.steps]).to.deep.equal([
            ...[crop, crop, batch, steps],
          ]);
          const { scale, flip, brightness } = recipe.augment;
          expect({ scale, flip, brightness }).to.deep.equal(paperAugmentation);
          expect(recipe.losses.auxiliaryWeight).to.equal(0.4);
          expect(configOf(recipe, 19)).to.deep.equal(modelConfig(`ocrnet-${model}`, { form: 'paper' }));
        }
    });
  });

  describe('extend each other', () => {
    it('by name and by path, key by key; lists and other forms replace, null takes back', () => {
      write(
        'lower.yaml',
        'extends: base\nclip: 5\nrecompute: [a, b]\naverage: { decay: 0.9 }\naugment: { jitter: { hue: 3 } }\npretrained: start.safetensors',
      );
      const path = write(
        'upper.yaml',
        'extends: lower.yaml\nclip: null\nrecompute: [c]\naugment: { scale: { scales: [1] } }\noptimiser: { kind: adamw }\ncrop: { width: 64 }',
      );
      const recipe = loadRecipe(path);
      expect(recipe.name).to.equal('upper');
      expect(recipe).not.to.have.property('clip');
      expect(recipe.recompute).to.deep.equal(['c']);
      expect(recipe.augment).to.deep.equal({
        scale: { scales: [1] },
        flip: true,
        brightness: 10,
        jitter: { hue: 3 },
      });
      expect(recipe.optimiser).to.deep.equal({
        kind: 'adamw',
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: 0.01,
      });
      expect(recipe.crop).to.deep.equal({ height: 512, width: 64 });
      expect(recipe.evaluation.weights).to.equal('average');
      expect(recipe.pretrained).to.equal(join(folder, 'start.safetensors'));
    });

    it('in no circle', () => {
      write('one.yaml', 'extends: two.yaml');
      const path = write('two.yaml', 'extends: one.yaml');
      const error = failure(path);
      expect(error.code).to.equal('INVALID_DATA');
      expect(error.received).to.equal('two.yaml → one.yaml → two.yaml');
    });

    it('only what is there', () => {
      const path = write('lost.yaml', '# nothing\nextends: camvit');
      expect(failure(path)).to.include({ code: 'INVALID_DATA', received: '"camvit"' });
      expect(failure(path).message).to.match(/lost\.yaml:2: extends: expected .*did you mean camvid/);
      expect(failure(write('far.yaml', 'extends: ./nowhere.yaml')).code).to.equal('FILE_NOT_FOUND');
    });
  });

  describe('take settings', () => {
    it('as YAML, each over those before', () => {
      const recipe = loadRecipe('camvid', {
        set: [
          'schedule.rate=1e-3',
          'schedule.rate=0.002',
          'losses.classWeights=[1, 2]',
          'augment.jitter.hue=5',
          'average=null',
          'groups.learningRateScales={backbone.layer4: 2}',
          'name=mine=mine',
        ],
      });
      expect(recipe.schedule.rate).to.equal(0.002);
      expect(recipe.losses.classWeights).to.deep.equal([1, 2]);
      expect(recipe.augment.jitter).to.deep.equal({
        brightness: 0.3,
        contrast: 0.3,
        saturation: 0.3,
        hue: 5,
      });
      expect(recipe.evaluation.weights).to.equal('trained');
      expect(recipe.groups.learningRateScales).to.deep.equal({ 'backbone.layer4': 2 });
      expect(recipe.name).to.equal('mine=mine');
    });

    it('and refuse others, naming what is expected and received', () => {
      const cases: readonly (readonly [setting: string, message: RegExp])[] = [
        ['losses.auxiliaryWight=1', /did you mean auxiliaryWeight\?\), received auxiliaryWight/],
        ['step=3', /--set step=3: step: expected a known key \(did you mean steps\?\)/],
        ['losses.auxiliaryWeight=much', /losses\.auxiliaryWeight: expected a number from 0, received "much"/],
        ['crop.height=1.5', /crop\.height: expected an integer from 1 to 16384, received 1\.5/],
        ['model=ocrnet-hrnet-w19', /model: .*did you mean ocrnet-hrnet-w18/],
        ['model=null', /model: expected the name of a network, or its configuration, received nothing/],
        ['model={backbone: {kind: resnt}}', /model\.backbone\.kind: expected one of resnet, hrnet/],
        ['optimiser.kind=adam', /optimiser\.kind: expected one of sgd, adamw, received "adam"/],
        ['optimiser={kind: adamw, momentum: 1}', /expected one of kind, beta1, .*received momentum/],
        ['augment.scale={min: 2, max: 1}', /augment\.scale: expected min that is at most max/],
        ['data.kind=camvit', /data\.kind: expected one of camvid, cityscapes/],
        ['data.mix=[{scenes: {}, share: 1}]', /data\.mix\.0\.share: expected a number from 0\.001 to 0\.999/],
        ['evaluation.weights=average', /expected trained, or average: .*received average, which is not kept/],
        ['context=pmm', /context\.kind: expected one of none, ocr, .*received "pmm"/],
        ['context={kind: aspp, dilation: [1]}', /context\.dilation: .*did you mean dilations/],
        ['context.channels=0', /--set context\.channels=0: context\.channels: expected/],
        ['context=3', /context: expected a kind, or \{ kind, … \}, received 3/],
        ['backbone=ocrnet-resnet18', /backbone: expected the name of a backbone, resnet18/],
        ['backbone=resnet19', /backbone: .*did you mean resnet18/],
        ['backbone={kind: resnet}', /backbone\.block: expected/],
        ['clip', /expected key\.path=value/],
        ['=3', /expected key\.path=value/],
        ['extends=camvid', /extends stands in files/],
        ['steps=[1', /--set steps=\[1 is not YAML/],
      ];
      for (const [setting, message] of cases) {
        const error = failure('base', setting);
        expect(error.message).to.match(message);
        expect(error.code, setting).to.equal('INVALID_ARGUMENT');
      }
    });
  });

  describe('name another context or backbone', () => {
    const contextOf = (name: string, ...set: string[]) => configOf(loadRecipe(name, { set }), 3).context;

    it('with the sizes of the network that they are put on', () => {
      const { channels } = contextOf('small') as { channels: number };
      expect(contextOf('small', 'context=ppm')).to.deep.equal(contextConfig('ppm', { channels }));
      expect(contextOf('base', 'model=resnet18', 'form=paper', 'context=ppm')).to.deep.equal(
        contextConfig('ppm'),
      );
      expect(configOf(loadRecipe('base', { set: ['model=resnet18', 'context=aspp'] }), 3)).to.deep.equal(
        modelConfig('resnet18', { classes: 3, context: 'aspp' }),
      );
    });

    it('with fields of their own over them, one by one', () => {
      const own = contextOf('small');
      expect(contextOf('small', 'context=ocr')).to.deep.equal(own);
      expect(contextOf('small', 'context.keyChannels=8')).to.deep.equal({ ...own, keyChannels: 8 });
      const scheme = contextOf('small', 'context=coarse-to-fine', 'context.scheme=label-ensemble');
      expect(scheme).to.include({ kind: 'coarse-to-fine', scheme: 'label-ensemble', channels: 128 });
      expect(contextOf('small', 'context.keyChannels=8', 'context=ppm')).not.to.have.property('keyChannels');
      expect(contextOf('small', 'context=ppm', 'context=null')).to.deep.equal(own);
    });

    it('and another backbone under the context', () => {
      const { backbone, ...rest } = configOf(loadRecipe('small', { set: ['backbone=mobilenet-v2'] }), 3);
      expect(backbone).to.deep.equal(modelConfig('mobilenet-v2').backbone);
      const { backbone: _, ...own } = configOf(loadRecipe('small'), 3);
      expect(rest).to.deep.equal(own);
      expect(
        failure(
          'small',
          'backbone={kind: resnet, block: basic, blocks: [1, 1, 1, 1], stem: 7x7, ceilMode: false, outputStride: 32}',
        ).message,
      ).to.match(/outputStride/);
    });

    it('which reports name', () => {
      const name = (...set: string[]) => networkName(loadRecipe('base', { set }));
      expect(name()).to.equal('ocrnet-hrnet-w18-small');
      expect(name('context=ppm')).to.equal('hrnet-w18-small with ppm');
      expect(name('backbone=resnet18')).to.equal('resnet18 with ocr');
      expect(networkName(loadRecipe('small'))).to.equal('small');
    });
  });

  it('mean all but the backbone by the prefix context', () => {
    const graph = buildSegmenter(modelConfig('ocrnet-hrnet-w18-small'), {
      ...{ batch: 1, height: 32, width: 32 },
      outputs: ['logits'],
    });
    const scales = { context: 10, cls_head: 3 };
    const { ranges, trained } = ParameterArena.of(graph.parameters, { learningRateScales: scales });
    expect(ranges.map(({ learningRateScale }) => learningRateScale)).to.have.members([1, 10, 3]);
    const order = trained.map(({ name }) =>
      hasPrefix(name, 'cls_head') ? 3 : hasPrefix(name, 'context') ? 10 : 1,
    );
    expect(order).to.deep.equal([...order].sort((a, b) => order.indexOf(a) - order.indexOf(b)));
  });

  it('say in which file and line a mistake stands', () => {
    const path = write(
      'wrong.yaml',
      'extends: base\nlosses:\n  labelSmoothing: 0.1\n  auxiliaryWeight: -1\n',
    );
    expect(failure(path).code).to.equal('INVALID_DATA');
    expect(failure(path).message).to.equal(
      `${path}:4: losses.auxiliaryWeight: expected a number from 0, received -1`,
    );
    const upper = write('upper-wrong.yaml', 'extends: wrong.yaml\nclip: 1');
    expect(failure(upper).message).to.include(`${path}:4`);
    expect(failure(write('text.yaml', 'steps')).message).to.match(/expected a mapping of keys/);
    expect(failure(write('broken.yaml', 'a: [')).message).to.match(/broken\.yaml is not YAML/);
    expect(failure(write('bare.yaml', 'steps: 3')).message).to.match(/bare\.yaml: model: expected the name/);
    expect(failure('base', 'form=paper', 'model=resnet18').message).to.match(/form: expected none/);
    expect(failure('camvid', 'form=paper').message).to.match(/form is for named networks/);
  });

  it('schedule a rise, then the polynomial', () => {
    const rate = scheduleOf(loadRecipe('base', { set: ['schedule.warmUp=2', 'steps=10'] }));
    expect(rate(0)).to.be.closeTo(0.01 / 2, 1e-12);
    expect(rate(5)).to.be.closeTo(0.01 * 0.5 ** 0.9, 1e-12);
    expect(rate(10)).to.equal(0);
  });

  it('open their data', async () => {
    const scenes = loadRecipe('scenes', {
      set: [
        'data.scenes.count=6',
        'data.mix=[{ scenes: { count: 2, width: 240, height: 180, classes: camvid }, share: 0.25 }]',
      ],
    });
    const dataset = await openRecipeDataset(scenes);
    expect(dataset.classes).to.have.length(11);
    const source = await trainingSource(scenes, await dataset.split('train'));
    if (!('parts' in source)) throw new Error('no mixture');
    expect(source.parts.map(({ weight }) => weight)).to.deep.equal([0.75, 0.25]);
    const fails = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        ({ message }: Error) => message,
      );
    expect(await fails(openRecipeDataset(scenes, folder))).to.match(/renders its pictures/);
    expect(await fails(openRecipeDataset(loadRecipe('camvid')))).to.match(
      /--data DIR\), in the form of camvid/,
    );
    writeFileSync(join(folder, 'dataset.yaml'), 'classes: [a, b]');
    expect((await openRecipeDataset(loadRecipe('camvid'), folder)).classes).to.have.length(2);
  });
});

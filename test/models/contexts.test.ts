import { expect } from 'chai';
import { OcrnetError } from '../../lib/errors.js';
import { verify } from '../../lib/ir/verify.js';
import { contextConfig, contextSizes } from '../../lib/models/contexts/defaults.js';
import { buildContextModule, hasAuxiliary } from '../../lib/models/contexts/index.js';
import { paperFlops } from '../../lib/models/contexts/paper-flops.js';
import { modelConfig } from '../../lib/models/registry.js';
import { buildSegmenter, parseSegmenterConfig, type SegmenterConfig } from '../../lib/models/segmenter.js';
import { contextVariants } from '../support/context-variants.js';
import { countTrainable, outputTypes, parameterNames, parameterShape } from '../support/graphs.js';

const table4 = { batch: 1, height: 128, width: 128, channels: 2048, classes: 19 };

/** Millions of parameters and GFLOP as the paper counts them, by hand from the layers. */
const costs = {
  ppm: [23.07, 618.5],
  aspp: [15.53, 491.8],
  'self-attention': [10.49, 618.5],
  danet: [23.92, 1110],
  'cc-attention': [23.92, 804],
  'double-attention': [10.29, 338],
  ocr: [10.49, 339.9],
} as const;

const build = (config: SegmenterConfig, outputs: readonly ('logits' | 'auxiliaryLogits')[] = ['logits']) => {
  const graph = buildSegmenter(config, { batch: 2, height: 65, width: 97, outputs });
  verify(graph);
  return graph;
};

describe('context modules', () => {
  for (const [kind, [millions, giga]] of Object.entries(costs))
    it(`${kind} has ${millions}M parameters and ${giga} GFLOP at the size of Table 4`, () => {
      const graph = buildContextModule(table4, contextConfig(kind as keyof typeof costs));
      verify(graph);
      expect(countTrainable(graph) / 1e6).to.be.closeTo(millions, 0.02);
      expect(paperFlops(table4, contextConfig(kind as keyof typeof costs)) / 1e9 / giga).to.be.closeTo(
        1,
        0.001,
      );
    });

  for (const { name, context } of contextVariants())
    for (const backbone of ['resnet18', 'hrnet-w18-small', 'mobilenet-v2'])
      it(`${name} builds on ${backbone}, and is the same after a round trip through JSON`, () => {
        const config = { ...modelConfig(backbone, { classes: 5, context: 'ppm' }), context };
        expect(parseSegmenterConfig(JSON.parse(JSON.stringify(config)))).to.deep.equal(config);
        const auxiliary = hasAuxiliary(context) ? (['auxiliaryLogits'] as const) : [];
        const types = outputTypes(build(config, ['logits', ...auxiliary]));
        if (auxiliary.length > 0 && backbone !== 'resnet18')
          expect(types.auxiliaryLogits).to.equal(types.logits);
        expect(types.logits).to.match(/×5$/);
      });

  it('have the same names alone as in a network', () => {
    for (const { name, context } of contextVariants()) {
      if (['none', 'ground-truth-ocr', 'coarse-to-fine'].includes(context.kind)) continue;
      const network = build({ ...modelConfig('resnet50', { context: 'ocr' }), context });
      const alone = parameterNames(buildContextModule(table4, context));
      expect(parameterNames(network), name).to.include.members(alone);
    }
  });

  it('are as wide as the module that they stand in for', () => {
    const sizes = contextSizes(contextConfig('ocr', { channels: 128, keyChannels: 32, negativeSlope: 0.01 }));
    expect(contextConfig('aspp', sizes)).to.include({ channels: 64, auxiliaryChannels: 128 });
    expect(contextConfig('ppm', sizes)).to.include({ branchChannels: 128, negativeSlope: 0.01 });
    expect(contextConfig('ocr', contextSizes(contextConfig('aspp', sizes)))).to.include({ channels: 128 });
  });

  it('have no stage 4 where only coarse scores count', () => {
    const scheme = (name: 'coarse-only' | 'fine-only'): SegmenterConfig => ({
      ...modelConfig('resnet18'),
      context: { ...contextConfig('coarse-to-fine'), scheme: name },
    });
    expect(parameterNames(build(scheme('coarse-only'))).filter((name) => name.includes('layer4'))).to.be
      .empty;
    expect(parameterNames(build(scheme('fine-only')))).to.include('backbone.layer4.0.conv1.weight');
  });

  it('have an auxiliary head of their own where regions are not supervised', () => {
    const named = modelConfig('ocrnet-resnet50', { form: 'openseg' });
    if (named.context.kind !== 'ocr') throw new Error('no OCR');
    const graph = build({ ...named, context: { ...named.context, supervision: 'auxiliary' } }, [
      'logits',
      'auxiliaryLogits',
    ]);
    expect(parameterShape(graph, 'dsn_head.0.weight')).to.deep.equal([512, 3, 3, 1024]);
    expect(parameterShape(graph, 'aux_head.0.weight')).to.deep.equal([512, 3, 3, 1024]);
    const auxiliary = graph.outputs.find(({ name }) => name === 'auxiliaryLogits')?.value;
    const producer = graph.nodes.find(({ outputs }) => Object.values(outputs).includes(auxiliary as never));
    expect(producer?.path).to.equal('dsn_head.3');
  });

  it('say what is wrong with a configuration', () => {
    const config = modelConfig('resnet18');
    const parse = (context: object) => () => parseSegmenterConfig({ ...config, context });
    expect(parse({ ...contextConfig('ppm'), pools: [] })).to.throw(OcrnetError, /at context.pools/);
    const { auxiliaryChannels: _, ...rest } = contextConfig('coarse-to-fine');
    expect(parse({ ...rest, scheme: 'coarse-only', auxiliaryChannels: 0 })).to.throw(
      OcrnetError,
      /at context.auxiliaryChannels: expected channels of the coarse head/,
    );
    expect(() => buildContextModule(table4, contextConfig('none'))).to.throw(OcrnetError, /of its own/);
  });
});

describe('modelConfig with a context', () => {
  it('puts it on the plain backbone, with the stem and the normalisation of the one with OCR', () => {
    const { context, ...rest } = modelConfig('resnet101', { context: 'aspp', classes: 7 });
    expect(context).to.deep.equal(contextConfig('aspp'));
    const { context: _, ...ocr } = modelConfig('ocrnet-resnet101', { classes: 7 });
    expect(rest).to.deep.equal(ocr);
    expect(modelConfig('resnet101', { context: 'ocr' })).to.deep.equal(modelConfig('ocrnet-resnet101'));
    expect(modelConfig('resnet101', { context: 'none' })).to.deep.equal(modelConfig('resnet101'));
  });

  it('refuses what makes no sense', () => {
    const wrong = 'ppmm' as 'ppm';
    expect(() => modelConfig('resnet18', { context: wrong })).to.throw(OcrnetError, /did you mean ppm/);
    expect(() => modelConfig('ocrnet-resnet18', { context: 'ppm' })).to.throw(OcrnetError, /which is OCR/);
    expect(() => modelConfig('resnet18', { context: 'none', form: 'paper' })).to.throw(
      OcrnetError,
      /no OCR module/,
    );
  });
});

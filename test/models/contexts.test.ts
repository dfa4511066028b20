import { expect } from 'chai';
import { OcrnetError } from '../../lib/errors.js';
import type { Graph, Node, Value } from '../../lib/ir/graph.js';
import { erase } from '../../lib/ir/op.js';
import { printGraph } from '../../lib/ir/print.js';
import { verify } from '../../lib/ir/verify.js';
import { contextConfig, contextSizes, withDropout } from '../../lib/models/contexts/defaults.js';
import { buildContextModule, hasAuxiliary } from '../../lib/models/contexts/index.js';
import { paperFlops } from '../../lib/models/contexts/paper-flops.js';
import { modelConfig } from '../../lib/models/registry.js';
import {
  buildSegmenter,
  parseSegmenterConfig,
  type SegmenterConfig,
  type SegmenterOptions,
} from '../../lib/models/segmenter.js';
import { dropout } from '../../lib/ops/index.js';
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

const build = (
  config: SegmenterConfig,
  outputs: readonly ('logits' | 'auxiliaryLogits')[] = ['logits'],
  options: Pick<SegmenterOptions, 'training'> = {},
) => {
  const graph = buildSegmenter(config, { batch: 2, height: 65, width: 97, outputs, ...options });
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

describe('dropout', () => {
  const dropoutsOf = ({ nodes }: Graph) => nodes.filter(({ spec }) => spec === erase(dropout));
  /** What reads the result of a node. */
  const readersOf = ({ nodes }: Graph, { outputs }: Node) =>
    nodes.filter(({ inputs }) => Object.values(inputs).includes(outputs.y as Value)).map(({ path }) => path);

  for (const { name, context } of contextVariants({ form: 'openseg', dropout: 0.3, auxiliaryDropout: 0.2 }))
    it(`of ${name} stands before its classifiers where it is trained, and nowhere else`, () => {
      const config = { ...modelConfig('resnet18', { classes: 5, context: 'ppm' }), context };
      const outputs = hasAuxiliary(context)
        ? (['logits', 'auxiliaryLogits'] as const)
        : (['logits'] as const);
      const trained = build(config, outputs, { training: true });
      const found = dropoutsOf(trained);
      const rates = found.map(({ attributes }) => attributes.rate);
      const isCoarse = context.kind === 'coarse-to-fine' && context.scheme === 'coarse-only';
      const hasOwnHead = context.kind === 'ocr' && context.supervision === 'auxiliary';
      const expected = isCoarse ? [0.2] : hasAuxiliary(context) ? [0.3, 0.2] : [0.3];
      expect(rates).to.have.members([...expected, ...(hasOwnHead ? [0.2] : [])]);
      expect(found.map(({ attributes }) => attributes.stream)).to.deep.equal(rates.map((_, i) => i));
      for (const node of found)
        expect(readersOf(trained, node)).to.satisfy((paths: string[]) =>
          paths.every((path) => /^(cls_head|aux_head\.3|dsn_head\.3|classifier\.4)$/.test(path)),
        );
      const run = build(config, outputs);
      expect(dropoutsOf(run)).to.be.empty;
      expect(printGraph(run)).to.equal(
        printGraph(build({ ...config, context: withDropout(context, 0) }, outputs)),
      );
    });

  it('has the rates of the published code, and none in the paper', () => {
    const rates = (name: string, form?: 'paper' | 'openseg') => {
      const { context } = modelConfig(name, form && { form });
      return [context.dropout, 'auxiliaryDropout' in context ? context.auxiliaryDropout : undefined];
    };
    expect(rates('ocrnet-hrnet-w48')).to.deep.equal([0.05, 0]);
    expect(rates('ocrnet-hrnet-w48', 'openseg')).to.deep.equal([0.05, 0]);
    expect(rates('ocrnet-resnet101')).to.deep.equal([0.05, 0.05]);
    expect(rates('ocrnet-resnet101', 'paper')).to.deep.equal([0, 0]);
    expect(rates('resnet101')).to.deep.equal([0.1, undefined]);
    expect(rates('hrnet-w48')).to.deep.equal([0, undefined]);
  });

  it('drops elements in the FCN head, as torchvision, and channels everywhere else', () => {
    const drops = (context: SegmenterConfig['context']) =>
      dropoutsOf(build({ ...modelConfig('resnet18'), context }, ['logits'], { training: true })).map(
        ({ attributes }) => attributes.drops,
      );
    expect(drops(modelConfig('resnet18').context)).to.deep.equal(['elements']);
    expect(drops({ kind: 'none', head: 'hrnet', dropout: 0.1 })).to.deep.equal(['channels']);
    expect(drops(modelConfig('ocrnet-resnet18').context)).to.deep.equal(['channels', 'channels']);
  });

  it('is no part of a configuration that was written without it', () => {
    const { dropout: _, auxiliaryDropout: __, ...context } = contextConfig('ocr', { form: 'hrnet-ocr' });
    const parsed = parseSegmenterConfig({ ...modelConfig('ocrnet-hrnet-w48'), context });
    expect(parsed.context).to.include({ dropout: 0, auxiliaryDropout: 0 });
    const wrong = { ...modelConfig('ocrnet-hrnet-w48'), context: { ...context, dropout: 1 } };
    expect(() => parseSegmenterConfig(wrong)).to.throw(OcrnetError, /at context.dropout/);
  });
});

describe('modelConfig with a context', () => {
  it('puts it on the plain backbone, with the stem and the normalisation of the one with OCR', () => {
    const { context, ...rest } = modelConfig('resnet101', { context: 'aspp', classes: 7 });
    expect(context).to.deep.equal(contextConfig('aspp', { dropout: 0.05, auxiliaryDropout: 0.05 }));
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

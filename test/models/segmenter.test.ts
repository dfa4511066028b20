import { expect } from 'chai';
import { OcrnetError } from '../../lib/errors.js';
import { verify } from '../../lib/ir/verify.js';
import { mobileNetV2Config } from '../../lib/models/backbones/mobilenet-v2.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule } from '../../lib/models/contexts/index.js';
import { modelConfig, modelNames } from '../../lib/models/registry.js';
import {
  buildSegmenter,
  parseSegmenterConfig,
  type SegmenterConfig,
  type SegmenterOptions,
  segmenterOutputs,
} from '../../lib/models/segmenter.js';
import { countTrainable, outputTypes, parameterNames, parameterShape } from '../support/graphs.js';

function build(config: SegmenterConfig, options: Partial<SegmenterOptions> = {}) {
  const graph = buildSegmenter(config, { batch: 1, height: 65, width: 129, outputs: ['labels'], ...options });
  verify(graph);
  return graph;
}

describe('OCR networks', () => {
  it('HRNet-W48 in the hrnet-ocr form has 70,372,678 parameters for 19 classes', () => {
    expect(countTrainable(build(modelConfig('ocrnet-hrnet-w48', { form: 'hrnet-ocr' })))).to.equal(
      70_372_678,
    );
  });

  it('has as many parameters in the openseg form as openseg: 74.52M with HRNet-W48, 57.99M with ResNet-101', () => {
    const millions = (name: string) => countTrainable(build(modelConfig(name, { form: 'openseg' }))) / 1e6;
    expect(millions('ocrnet-hrnet-w48').toFixed(2)).to.equal('74.52');
    expect(millions('ocrnet-resnet101').toFixed(2)).to.equal('57.99');
  });

  it('the module alone has 10.49M parameters in the paper form, 10.62M in the published code', () => {
    const size = { batch: 1, height: 128, width: 128, channels: 2048, classes: 19 };
    const millions = (form: 'paper' | 'openseg' | 'hrnet-ocr') =>
      (countTrainable(buildContextModule(size, contextConfig('ocr', { form }))) / 1e6).toFixed(3);
    expect(millions('paper')).to.equal('10.490');
    expect(millions('openseg')).to.equal('10.625');
    expect(millions('hrnet-ocr')).to.equal('10.623');
  });

  it("has hrnet-ocr's names and shapes", () => {
    const graph = build(modelConfig('ocrnet-hrnet-w48'));
    const block = 'ocr_distri_head.object_context_block';
    const shapes = {
      'conv3x3_ocr.0.weight': [512, 3, 3, 720],
      'conv3x3_ocr.0.bias': [512],
      'aux_head.0.weight': [720, 1, 1, 720],
      'aux_head.3.weight': [19, 1, 1, 720],
      [`${block}.f_pixel.0.weight`]: [256, 1, 1, 512],
      [`${block}.f_pixel.0.bias`]: undefined,
      [`${block}.f_object.2.weight`]: [256, 1, 1, 256],
      [`${block}.f_object.3.running_var`]: [256],
      [`${block}.f_down.0.weight`]: [256, 1, 1, 512],
      [`${block}.f_up.0.weight`]: [512, 1, 1, 256],
      'ocr_distri_head.conv_bn_dropout.0.weight': [512, 1, 1, 1024],
      'cls_head.weight': [19, 1, 1, 512],
      'cls_head.bias': [19],
    };
    for (const [name, shape] of Object.entries(shapes))
      expect(parameterShape(graph, name), name).to.deep.equal(shape);
  });

  it('differs between the forms where the paper and the two code bases do', () => {
    const openseg = build(modelConfig('ocrnet-resnet50', { form: 'openseg' }));
    expect(parameterShape(openseg, 'aux_head.0.weight')).to.deep.equal([512, 3, 3, 1024]);
    expect(parameterShape(openseg, 'ocr_distri_head.conv_bn_dropout.0.bias')).to.deep.equal([512]);

    const paper = build(modelConfig('ocrnet-resnet50', { form: 'paper' }));
    expect(parameterShape(paper, 'aux_head.weight')).to.deep.equal([19, 1, 1, 1024]);
    expect(parameterNames(paper)).to.not.include('ocr_distri_head.object_context_block.f_pixel.2.weight');

    const paperHrNet = build(modelConfig('ocrnet-hrnet-w48', { form: 'paper' }));
    expect(parameterNames(paperHrNet).filter((name) => name.startsWith('conv3x3_ocr'))).to.be.empty;
    expect(parameterShape(paperHrNet, 'ocr_distri_head.conv_bn_dropout.0.weight')).to.deep.equal([
      512, 1, 1, 1232,
    ]);

    const attend = (graph: typeof paper) => graph.nodes.find(({ spec }) => spec.name === 'attendRegions');
    expect(attend(paper)?.attributes.scale).to.equal(1);
    expect(attend(openseg)?.attributes.scale).to.equal(1 / 16);
    for (const [graph, contextInput] of [
      [paper, 'b'],
      [openseg, 'a'],
    ] as const) {
      const concat = graph.nodes.find(
        ({ path, spec }) => spec.name === 'concat' && path === 'ocr_distri_head',
      );
      const fUp = graph.nodes.findLast(({ path }) => path.includes('f_up'));
      expect(concat?.inputs[contextInput]).to.equal(fUp?.outputs.y);
    }
  });

  it('takes leaky ReLU and another epsilon for in-place ABN weights, in the head alone', () => {
    const config = modelConfig('ocrnet-resnet18');
    const leaky = contextConfig('ocr', { form: 'openseg', negativeSlope: 0.01, epsilon: 1e-4 });
    const graph = build({ ...config, context: leaky });
    const head = graph.nodes.filter(({ path }) => !path.startsWith('backbone'));
    const activations = head.filter(({ spec }) => spec.name === 'activate');
    expect(activations).to.have.lengthOf(9);
    for (const { attributes } of activations)
      expect(attributes).to.deep.equal({ activation: 'leakyRelu', negativeSlope: 0.01 });
    for (const { attributes } of head.filter(({ spec }) => spec.name === 'batchNorm'))
      expect(attributes.epsilon).to.equal(1e-4);
    const backbone = graph.nodes.filter(
      ({ path, spec }) => path.startsWith('backbone') && spec.name === 'activate',
    );
    expect(backbone.every(({ attributes }) => attributes.activation === 'relu')).to.equal(true);
  });
});

describe('buildSegmenter', () => {
  for (const name of modelNames)
    it(`builds ${name} at odd sizes, 1×1 and batch 3`, () => {
      const config = modelConfig(name);
      for (const [batch, height, width] of [
        [1, 65, 129],
        [1, 1, 1],
        [3, 97, 33],
      ] as const) {
        const types = outputTypes(build(config, { batch, height, width, outputs: ['labels', 'confidence'] }));
        expect(types).to.deep.equal({
          labels: `uint8 ${batch}×${height}×${width}`,
          confidence: `float32 ${batch}×${height}×${width}`,
        });
      }
    });

  it('puts out what is asked for', () => {
    const graph = build(modelConfig('ocrnet-hrnet-w18-small', { classes: 7 }), { outputs: segmenterOutputs });
    expect(outputTypes(graph)).to.deep.equal({
      labels: 'uint8 1×65×129',
      confidence: 'float32 1×65×129',
      logits: 'float32 1×17×33×7',
      auxiliaryLogits: 'float32 1×17×33×7',
      auxiliaryLabels: 'uint8 1×65×129',
      regions: 'float32 1×17×33×7',
      regionLogits: 'float32 1×17×33×7',
      relation: 'float32 1×17×33×7',
    });
    const resized = build(modelConfig('resnet18'), { labelSize: { height: 10, width: 20 } });
    expect(outputTypes(resized)).to.deep.equal({ labels: 'uint8 1×10×20' });
  });

  it('writes labels in bytes up to 256 classes, in 16 bits above', () => {
    expect(outputTypes(build(modelConfig('resnet18', { classes: 256 }))).labels).to.match(/^uint8/);
    expect(outputTypes(build(modelConfig('resnet18', { classes: 257 }))).labels).to.match(/^uint16/);
  });

  it('has the same parameters whatever the outputs', () => {
    const config = modelConfig('ocrnet-mobilenet-v2');
    expect(parameterNames(build(config, { outputs: ['regionLogits'] }))).to.deep.equal(
      parameterNames(build(config, { outputs: ['labels', 'logits'] })),
    );
  });

  it('holds the normalisation as derived constants in the order of the channels that the network sees', () => {
    const config = modelConfig('ocrnet-resnet18', { form: 'openseg' });
    const graph = build(config);
    const constant = (name: string) => {
      const source = graph.parameters.find((parameter) => parameter.name === name)?.source;
      return source?.kind === 'derived' ? [...source.compute([])] : undefined;
    };
    expect(constant('normalisation.scale')).to.deep.equal([1, 1, 1]);
    expect(constant('normalisation.shift')).to.deep.equal([-102.9801, -115.9465, -122.7717].map(Math.fround));
    const node = graph.nodes.find(({ spec }) => spec.name === 'normalizeImage');
    expect(node?.attributes.reverseChannels).to.equal(true);
    expect(parameterNames(graph).filter((name) => name.startsWith('normalisation'))).to.be.empty;
  });

  it('names what it cannot do', () => {
    const config = modelConfig('resnet18');
    const message = (options: object) => () => build(config, options);
    expect(message({ outputs: ['regions'] })).to.throw(
      OcrnetError,
      /some of labels, confidence, logits, all.*"regions"/,
    );
    expect(message({ outputs: [] })).to.throw(OcrnetError, 'Invalid outputs');
    expect(message({ height: 0 })).to.throw(
      OcrnetError,
      'Invalid height: expected an integer from 1, received 0',
    );
    expect(message({ width: 2.5 })).to.throw(OcrnetError, 'Invalid width');
    expect(message({ batch: Number.NaN })).to.throw(OcrnetError, 'Invalid batch');
  });
});

describe('parseSegmenterConfig', () => {
  it('gives back every named configuration after a round trip through JSON', () => {
    for (const name of modelNames) {
      const config = modelConfig(name);
      expect(parseSegmenterConfig(JSON.parse(JSON.stringify(config)))).to.deep.equal(config);
    }
  });

  const config = modelConfig('ocrnet-resnet50');
  for (const [what, value, message] of [
    ['null', null, /expected object/],
    ['a wrong type', { ...config, classes: '19' }, /at classes: .*expected number/],
    ['no classes', { ...config, classes: 0 }, /at classes/],
    ['an unknown field', { ...config, extra: 1 }, /extra/],
    ['an unknown backbone', { ...config, backbone: { kind: 'vgg' } }, /at backbone.kind/],
    [
      'a multi-grid of the wrong length',
      { ...config, backbone: { ...config.backbone, multiGrid: [1, 2] } },
      /at backbone.multiGrid: expected one factor for each block/,
    ],
    [
      'OCR at output stride 32',
      { ...config, backbone: mobileNetV2Config({ outputStride: 32 }) },
      /at backbone.outputStride: expected 8 or 16/,
    ],
    [
      'a zero deviation',
      { ...config, normalisation: { ...config.normalisation, std: [1, 0, 1] } },
      /at normalisation.std.1/,
    ],
  ] as const)
    it(`refuses ${what} by name`, () => {
      expect(() => parseSegmenterConfig(value)).to.throw(OcrnetError, message);
    });
});

describe('modelConfig', () => {
  it('knows every backbone with and without OCR', () => {
    expect(modelNames).to.have.lengthOf(20);
    expect(modelNames).to.include.members([
      'ocrnet-resnet101',
      'resnet18',
      'ocrnet-hrnet-w18-small',
      'mobilenet-v2',
    ]);
  });

  it('takes each backbone in the form in which its authors published it', () => {
    const form = (name: string) => {
      const { context } = modelConfig(name);
      return context.kind === 'ocr' ? context.form : context.kind;
    };
    expect(form('ocrnet-hrnet-w32')).to.equal('hrnet-ocr');
    expect(form('ocrnet-resnet101')).to.equal('openseg');
    expect(form('ocrnet-mobilenet-v2')).to.equal('paper');
    expect(form('hrnet-w32')).to.equal('none');
  });

  it('suggests the nearest names', () => {
    expect(() => modelConfig('ocrnet-resnet11')).to.throw(OcrnetError, /did you mean .*ocrnet-resnet101/);
    expect(() => modelConfig('OCRNet-HRNet-W48')).to.throw(OcrnetError, /did you mean ocrnet-hrnet-w48/);
    expect(() => modelConfig('xyz')).to.throw(OcrnetError, /expected one of ocrnet-resnet18/);
  });

  it('refuses options that make no sense', () => {
    expect(() => modelConfig('resnet18', { form: 'paper' })).to.throw(OcrnetError, /has no OCR module/);
    expect(() => modelConfig('resnet18', { classes: 1.5 })).to.throw(OcrnetError, 'Invalid classes');
    expect(() => modelConfig('ocrnet-resnet18', { form: 'other' as 'paper' })).to.throw(
      OcrnetError,
      'Invalid form',
    );
  });
});

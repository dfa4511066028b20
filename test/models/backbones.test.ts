import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph } from '../../lib/ir/graph.js';
import { verify } from '../../lib/ir/verify.js';
import type { BackboneFeatures } from '../../lib/models/backbones/features.js';
import { type HrNetConfig, hrNetConfigs } from '../../lib/models/backbones/hrnet.js';
import { type BackboneConfig, buildBackbone } from '../../lib/models/backbones/index.js';
import { mobileNetV2Config } from '../../lib/models/backbones/mobilenet-v2.js';
import { type ResNetName, resNetConfig } from '../../lib/models/backbones/resnet.js';
import { countTrainable, parameterNames, parameterShape } from '../support/graphs.js';

function build(
  config: BackboneConfig,
  [batch, height, width]: [number, number, number] = [1, 65, 129],
): { graph: Graph; features: BackboneFeatures } {
  const builder = new GraphBuilder();
  const x = builder.input('x', {
    dataType: 'float32',
    shape: [batch, height, width, 3],
  });
  const features = buildBackbone(builder, x, config, { alignCorners: true });
  builder.output('final', features.final);
  const graph = builder.build();
  verify(graph);
  return { graph, features };
}

const shapes = ({ stages }: BackboneFeatures) => stages.map(({ type }) => type.shape.join('×'));

/** [path, stride, dilation] of the 3×3 convolutions under a scope. */
const windows = (graph: Graph, scope: string) =>
  graph.nodes
    .filter((node) => node.spec.name === 'conv2d' && node.path.startsWith(scope))
    .filter((node) => node.inputs.filter?.type.shape[1] === 3)
    .map(({ path, attributes }) => [path.slice(scope.length), attributes.stride, attributes.dilation]);

describe('ResNet', () => {
  // torchvision 0.14, without the classifier.
  const counts: Record<ResNetName, number> = {
    resnet18: 11_176_512,
    resnet34: 21_284_672,
    resnet50: 23_508_032,
    resnet101: 42_500_160,
    resnet152: 58_143_808,
  };
  for (const [name, count] of Object.entries(counts))
    it(`${name} has torchvision's ${count} parameters at every output stride`, () => {
      for (const outputStride of [8, 16, 32] as const)
        expect(countTrainable(build(resNetConfig(name as ResNetName, { outputStride })).graph)).to.equal(
          count,
        );
    });

  it('turns strides into dilations as torchvision does', () => {
    const { graph } = build(resNetConfig('resnet50', { outputStride: 8 }));
    expect(windows(graph, 'layer2.')[0]).to.deep.equal(['0.conv2', 2, 1]);
    expect(windows(graph, 'layer3.').map(([, stride, dilation]) => [stride, dilation])).to.deep.equal([
      [1, 1],
      ...Array(5).fill([1, 2]),
    ]);
    expect(windows(graph, 'layer4.')).to.deep.equal([
      ['0.conv2', 1, 2],
      ['1.conv2', 1, 4],
      ['2.conv2', 1, 4],
    ]);
  });

  it('dilates the second convolution of a basic block with its stage', () => {
    const { graph } = build(resNetConfig('resnet18', { outputStride: 16 }));
    expect(windows(graph, 'layer4.')).to.deep.equal([
      ['0.conv1', 1, 1],
      ['0.conv2', 1, 2],
      ['1.conv1', 1, 2],
      ['1.conv2', 1, 2],
    ]);
  });

  it('multiplies the dilations of the last stage by the multi-grid', () => {
    const { graph } = build({ ...resNetConfig('resnet50'), multiGrid: [1, 2, 4] });
    expect(windows(graph, 'layer4.').map(([, , dilation]) => dilation)).to.deep.equal([2, 8, 16]);
    expect(windows(graph, 'layer3.').map(([, , dilation]) => dilation)).to.deep.equal([1, 2, 2, 2, 2, 2]);
  });

  it('gives feature maps at the strides asked for', () => {
    const sizes = (config: BackboneConfig, size: [number, number, number]) =>
      shapes(build(config, size).features);
    expect(sizes(resNetConfig('resnet50', { outputStride: 32 }), [3, 65, 129])).to.deep.equal([
      '3×17×33×256',
      '3×9×17×512',
      '3×5×9×1024',
      '3×3×5×2048',
    ]);
    expect(sizes(resNetConfig('resnet18', { outputStride: 16 }), [1, 97, 33])).to.deep.equal([
      '1×25×9×64',
      '1×13×5×128',
      '1×7×3×256',
      '1×7×3×512',
    ]);
    expect(sizes(resNetConfig('resnet101', { outputStride: 8 }), [1, 1, 1])).to.deep.equal([
      '1×1×1×256',
      '1×1×1×512',
      '1×1×1×1024',
      '1×1×1×2048',
    ]);
  });

  it('rounds the pool up with the deep stem: 512×1024 gives 65×129', () => {
    const { graph, features } = build(resNetConfig('resnet101', { stem: 'deep' }), [1, 512, 1024]);
    expect(features.final.type.shape).to.deep.equal([1, 65, 129, 2048]);
    expect(parameterShape(graph, 'resinit.conv3.weight')).to.deep.equal([128, 3, 3, 64]);
    expect(parameterShape(graph, 'layer1.0.downsample.0.weight')).to.deep.equal([256, 1, 1, 128]);
  });

  it("has torchvision's names", () => {
    const names = parameterNames(build(resNetConfig('resnet50')).graph);
    expect(names.slice(0, 5)).to.deep.equal([
      'conv1.weight',
      'bn1.weight',
      'bn1.bias',
      'bn1.running_mean',
      'bn1.running_var',
    ]);
    expect(names).to.include.members(['layer3.5.bn3.running_var', 'layer4.0.downsample.1.bias']);
    expect(names).to.have.lengthOf(53 * 5);
  });
});

describe('HRNet', () => {
  // Counted by building them in PyTorch: test/golden/generate.py has the same networks.
  const counts: Record<keyof typeof hrNetConfigs, number> = {
    'hrnet-w18-small': 1_477_920,
    'hrnet-w18': 9_562_260,
    'hrnet-w32': 29_305_536,
    'hrnet-w48': 65_325_120,
  };
  for (const [name, count] of Object.entries(counts))
    it(`${name} has ${count} parameters`, () => {
      const config: HrNetConfig = hrNetConfigs[name as keyof typeof hrNetConfigs];
      expect(countTrainable(build(config).graph)).to.equal(count);
    });

  it('gives four branches and their concatenation at stride 4, at any size', () => {
    for (const [batch, height, width] of [
      [3, 65, 129],
      [1, 97, 33],
      [1, 1, 1],
      [2, 2, 7],
    ] as const) {
      const { features } = build(hrNetConfigs['hrnet-w18'], [batch, height, width]);
      const at = (size: number, stride: number) => Math.ceil(size / stride);
      expect(shapes(features)).to.deep.equal(
        [4, 8, 16, 32].map(
          (stride, i) => `${batch}×${at(height, stride)}×${at(width, stride)}×${18 * 2 ** i}`,
        ),
      );
      expect(features.final.type.shape).to.deep.equal([batch, at(height, 4), at(width, 4), 270]);
    }
  });

  it("has HRNet's names", () => {
    const names = parameterNames(build(hrNetConfigs['hrnet-w48']).graph);
    expect(names).to.include.members([
      'conv2.weight',
      'layer1.3.conv3.weight',
      'layer1.0.downsample.1.running_mean',
      'transition1.0.0.weight',
      'transition1.1.0.1.weight',
      'transition2.2.0.0.weight',
      'transition3.3.0.1.running_var',
      'stage2.0.fuse_layers.0.1.0.weight',
      'stage3.3.branches.2.3.conv2.weight',
      'stage4.2.fuse_layers.3.0.2.1.weight',
    ]);
    expect(names.filter((name) => name.startsWith('transition2.0') || name.startsWith('transition2.1'))).to.be
      .empty;
  });

  it('passes alignCorners to every resize', () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', { dataType: 'float32', shape: [1, 65, 65, 3] });
    buildBackbone(builder, x, hrNetConfigs['hrnet-w18-small'], { alignCorners: false });
    const resizes = builder.build().nodes.filter((node) => node.spec.name === 'resizeBilinear');
    expect(resizes).to.have.lengthOf(1 + 3 + 6 + 3);
    expect(resizes.every(({ attributes }) => attributes.alignCorners === false)).to.equal(true);
  });
});

describe('MobileNetV2', () => {
  // torchvision 0.14, `features` alone.
  for (const [widthMultiplier, count] of [
    [1, 2_223_872],
    [0.5, 687_680],
    [0.35, 396_128],
    [1.4, 4_315_776],
  ] as const)
    it(`at width ${widthMultiplier} has torchvision's ${count} parameters`, () => {
      expect(countTrainable(build(mobileNetV2Config({ widthMultiplier })).graph)).to.equal(count);
    });

  it('gives feature maps at the strides asked for', () => {
    const sizes = (outputStride: 8 | 16 | 32) =>
      shapes(build(mobileNetV2Config({ outputStride }), [3, 65, 129]).features);
    expect(sizes(32)).to.deep.equal(['3×17×33×24', '3×9×17×32', '3×5×9×96', '3×3×5×1280']);
    expect(sizes(16)).to.deep.equal(['3×17×33×24', '3×9×17×32', '3×5×9×96', '3×5×9×1280']);
    expect(sizes(8)).to.deep.equal(['3×17×33×24', '3×9×17×32', '3×9×17×96', '3×9×17×1280']);
    expect(shapes(build(mobileNetV2Config(), [1, 1, 1]).features)[3]).to.equal('1×1×1×1280');
  });

  it("has torchvision's names", () => {
    const names = parameterNames(build(mobileNetV2Config()).graph);
    expect(names).to.include.members([
      'features.0.0.weight',
      'features.1.conv.0.0.weight',
      'features.1.conv.2.running_var',
      'features.17.conv.1.0.weight',
      'features.17.conv.3.weight',
      'features.18.1.bias',
    ]);
  });
});

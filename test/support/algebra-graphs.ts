import { eachWeight } from '../../lib/checkpoint/weights.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Value } from '../../lib/ir/graph.js';
import { channelsOf, convNormActivation, pixelClassifier, relu } from '../../lib/nn/layers.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import {
  activate,
  adaptiveAveragePool2d,
  aggregateRegions,
  concat,
  conv2d,
  distributeRegions,
  resizeBilinear,
  softmax,
  spatialSoftmax,
} from '../../lib/ops/index.js';
import { randomNumbers, randomTensor } from './random.js';
import type { ReferenceTensor } from './reference-tensor.js';

/** Small networks of the shapes that the compiler's algebra looks for. Inputs "x", "x1", …; output "y". */

export interface AlgebraGraph {
  readonly name: string;
  readonly graph: Graph;
}

interface Size {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly alignCorners: boolean;
}

const sizes: readonly Size[] = [
  { batch: 1, height: 16, width: 16, alignCorners: true },
  { batch: 2, height: 13, width: 19, alignCorners: false },
  { batch: 2, height: 9, width: 11, alignCorners: true },
];

export function algebraGraphs(): AlgebraGraph[] {
  const makers = {
    pyramid,
    dilatedPyramid,
    wideDilations,
    pointwisePyramid,
    branches,
    copies,
    nested,
    linearParts,
    distributed,
    regions,
    uneven,
  };
  return Object.entries(makers).flatMap(([name, make]) =>
    sizes.map((size) => {
      const builder = new GraphBuilder();
      builder.output('y', make(builder, size));
      const { batch, height, width, alignCorners } = size;
      const corners = alignCorners ? 'corners aligned' : 'half pixels';
      return { name: `${name} at ${batch}×${height}×${width}, ${corners}`, graph: builder.build() };
    }),
  );
}

const input = (g: GraphBuilder, name: string, shape: readonly number[]): Value =>
  g.input(name, { dataType: 'float32', shape });

/** Convolution, batch norm, ReLU. */
const convolved = (
  g: GraphBuilder,
  path: string,
  x: Value,
  channels: number,
  kernel = 1,
  dilation = 1,
): Value => convNormActivation(g.at(path), [0, 1], x, { channels, kernel, dilation, activation: relu });

const resized = (g: GraphBuilder, path: string, x: Value, { height, width, alignCorners }: Size): Value =>
  g.at(path).add(resizeBilinear, { x }, { height, width, alignCorners, ...noActivation }).y;

function pooled(g: GraphBuilder, x: Value, bin: number, channels: number, size: Size): Value {
  const cells = g.at(`bin${bin}`).add(adaptiveAveragePool2d, { x }, { height: bin, width: bin }).y;
  return resized(g, `bin${bin}`, convolved(g, `bin${bin}`, cells, channels), size);
}

/** PPM. */
function pyramid(g: GraphBuilder, size: Size): Value {
  const x = input(g, 'x', [size.batch, size.height, size.width, 64]);
  const [a, b, c, d] = [1, 2, 3, 6].map((bin) => pooled(g, x, bin, 40, size)) as [Value, Value, Value, Value];
  const joint = g.at('joint').add(concat, { a, b, c, d, e: x }, {}).y;
  return convolved(g, 'last', joint, 48, 3);
}

/** ASPP at dilations within the map, at its edge and beyond it. */
function dilatedPyramid(g: GraphBuilder, size: Size): Value {
  const x = input(g, 'x', [size.batch, size.height, size.width, 40]);
  const a = pooled(g, x, 1, 33, size);
  const b = convolved(g, 'point', x, 32);
  const [c, d, e] = [3, 12, 24].map((dilation) => convolved(g, `d${dilation}`, x, 32, 3, dilation)) as [
    Value,
    Value,
    Value,
  ];
  return convolved(g, 'last', g.at('joint').add(concat, { a, b, c, d, e }, {}).y, 48);
}

/** Large and dilated filters of resized and copied maps, and without a bias. */
function wideDilations(g: GraphBuilder, size: Size): Value {
  const { batch, height, width } = size;
  const x = input(g, 'x', [batch, height, width, 34]);
  const small = resized(g, 'up', input(g, 'x1', [batch, 2, 3, 64]), size);
  const joint = g.at('joint').add(concat, { a: small, b: x }, {}).y;
  const far = convolved(g, 'far', joint, 40, 3, 6);
  const filter = g.parameter('weight', [40, 5, 5, 40], {
    kind: 'stored',
    fileLayout: 'filter',
    initializer: { kind: 'uniform', bound: 0.1 },
    trainable: true,
  });
  const up = resized(g, 'up1', input(g, 'x2', [batch, 3, 2, 20]), size);
  const up2 = resized(g, 'up2', input(g, 'x3', [batch, 1, 4, 20]), size);
  const x1 = g.at('all').add(concat, { a: up, b: up2 }, {}).y;
  const window = { stride: 1, padding: 8, dilation: 4, groups: 1, outputType: 'same' } as const;
  const large = g.at('large').add(conv2d, { x: x1, filter }, { ...window, ...noActivation }).y;
  return g.at('both').add(concat, { a: far, b: large }, {}).y;
}

/** A pointwise convolution of nothing but resized maps, whose bias has to go with one of them. */
function pointwisePyramid(g: GraphBuilder, size: Size): Value {
  const { batch } = size;
  const a = resized(g, 'a', input(g, 'x', [batch, 2, 2, 96]), size);
  const b = resized(g, 'b', input(g, 'x1', [batch, 3, 4, 96]), size);
  return pixelClassifier(g.at('last'), g.at('joint').add(concat, { a, b }, {}).y, 16);
}

/** HRNet: a linear head, a pointwise and a 3×3 convolution of four branches. */
function branches(g: GraphBuilder, size: Size): Value {
  const { batch, height, width } = size;
  const [a, b, c, d] = [32, 48, 64, 80].map((channels, i) => {
    const shape = [batch, Math.ceil(height / 2 ** i), Math.ceil(width / 2 ** i), channels];
    const branch = convolved(g, `branch${i}`, input(g, `x${i || ''}`, shape), channels);
    return i === 0 ? branch : resized(g, `branch${i}`, branch, size);
  }) as [Value, Value, Value, Value];
  const joint = g.at('joint').add(concat, { a, b, c, d }, {}).y;
  const scores = pixelClassifier(g.at('scores'), convolved(g, 'aux', joint, 64), 5);
  const pixels = convolved(g, 'pixels', joint, 64, 3);
  const linear = pixelClassifier(g.at('linear'), joint, 7);
  return g.at('all').add(concat, { a: scores, b: pixels, c: linear }, {}).y;
}

/** CC-Attention's bottleneck: a graph input, which could only be copied, beside something computed. */
function copies(g: GraphBuilder, { batch, height, width }: Size): Value {
  const x = input(g, 'x', [batch, height, width, 96]);
  const y = convolved(g, 'inner', x, 40, 3);
  return convolved(g, 'last', g.at('joint').add(concat, { a: x, b: y }, {}).y, 32, 3);
}

/** CC-Attention behind HRNet: a concat of branches within another concat. */
function nested(g: GraphBuilder, size: Size): Value {
  const { batch, height, width } = size;
  const a = convolved(g, 'a', input(g, 'x', [batch, height, width, 24]), 32);
  const b = resized(g, 'b', input(g, 'x1', [batch, 2, 3, 96]), size);
  const branches = g.at('branches').add(concat, { a, b }, {}).y;
  const inner = convolved(g, 'inner', branches, 40, 3);
  return convolved(g, 'last', g.at('joint').add(concat, { a: branches, b: inner }, {}).y, 48, 3);
}

/** Self-attention's end: beside the pixels something narrow, made wide by linear maps. */
function linearParts(g: GraphBuilder, { batch, height, width }: Size): Value {
  const pixels = convolved(g, 'pixels', input(g, 'x', [batch, height, width, 32]), 48, 3);
  const narrow = convolved(g, 'narrow', pixels, 16);
  const wide = pixelClassifier(g.at('wide'), pixelClassifier(g.at('less'), narrow, 24), 48);
  return convolved(g, 'last', g.at('joint').add(concat, { a: wide, b: pixels }, {}).y, 40);
}

/** Double attention's end: the wide part is linear in a few vectors. */
function distributed(g: GraphBuilder, { batch, height, width }: Size): Value {
  const pixels = convolved(g, 'pixels', input(g, 'x', [batch, height, width, 32]), 48, 3);
  const relation = g
    .at('relation')
    .add(softmax, { x: pixelClassifier(g.at('V'), pixels, 7) }, { scale: 1 }).y;
  const maps = g
    .at('gather')
    .add(spatialSoftmax, { logits: pixelClassifier(g.at('B'), pixels, 7) }, { scale: 1 });
  const features = pixelClassifier(g.at('A'), pixels, 20);
  const vectors = g.at('gather').add(aggregateRegions, { regions: maps.regions, features }, {}).y;
  const mixed = g.at('distribute').add(distributeRegions, { regions: relation, vectors }, {}).y;
  const context = pixelClassifier(g.at('W'), mixed, 48);
  return convolved(g, 'last', g.at('joint').add(concat, { a: context, b: pixels }, {}).y, 40);
}

/** A part that others read, too, some of which read no slices. */
function regions(g: GraphBuilder, { batch, height, width }: Size): Value {
  const x = convolved(g, 'first', input(g, 'x', [batch, height, width, 32]), 64, 3);
  const shares = g.at('soft').add(spatialSoftmax, { logits: x }, { scale: 1 }).regions;
  const cells = g.at('gather').add(aggregateRegions, { regions: shares, features: x }, {}).y;
  const [, count = 0, , channels = 0] = cells.type.shape;
  const again = convolved(g, 'again', x, 64);
  const joint = g.at('joint').add(concat, { a: again, b: x }, {}).y;
  const mixed = convolved(g, 'mix', cells, Math.min(count, channels));
  const up = g
    .at('up')
    .add(
      resizeBilinear,
      { x: mixed },
      { height, width, alignCorners: true, activation: 'relu', negativeSlope: 0 },
    ).y;
  const last = convolved(g, 'last', joint, channelsOf(up));
  return g.at('both').add(concat, { a: last, b: up }, {}).y;
}

/** What must stay as it is: strides, groups, resizes with something after them, an even filter. */
function uneven(g: GraphBuilder, size: Size): Value {
  const { batch, height, width } = size;
  const x = input(g, 'x', [batch, height, width, 32]);
  const up = resized(g, 'up', input(g, 'x1', [batch, 2, 2, 32]), size);
  const curved = g.at('curved').add(activate, { x: up }, relu).y;
  const joint = g.at('joint').add(concat, { a: up, b: x }, {}).y;
  const strided = convNormActivation(g.at('strided'), [0, 1], joint, { channels: 32, kernel: 3, stride: 2 });
  const grouped = convNormActivation(g.at('grouped'), [0, 1], joint, { channels: 64, kernel: 3, groups: 64 });
  const after = convolved(g, 'after', g.at('late').add(concat, { a: curved, b: grouped }, {}).y, 32, 3);
  const down = g.at('down').add(
    adaptiveAveragePool2d,
    { x: after },
    {
      height: strided.type.shape[1] as number,
      width: strided.type.shape[2] as number,
    },
  ).y;
  return g.at('both').add(concat, { a: strided, b: down }, {}).y;
}

/** Random values for a graph's inputs and stored parameters, and the derived parameters made of them. */
export function randomValues(graph: Graph, lowered: Graph): Record<string, ReferenceTensor> {
  const next = randomNumbers(5);
  const inputs = graph.inputs.map(({ name, value }) => [name, randomTensor(value.type.shape, next)] as const);
  const stored = new Map(
    graph.parameters.map(({ name, value: { type } }) => {
      const isFilter = type.shape.length === 4;
      const bound = isFilter ? Math.sqrt(6 / (type.shape.slice(1).reduce((a, b) => a * b) as number)) : 1;
      const [from, to] = name.endsWith('running_var') ? [0.5, 1.5] : [-bound, bound];
      return [name, Float32Array.from(randomTensor(type.shape, next, from, to).data)];
    }),
  );
  const weights = [...eachWeight(lowered, ({ name }) => stored.get(name) as Float32Array)].map(
    ([{ name, value }, data]) => [name, { shape: value.type.shape, data: Float64Array.from(data) }] as const,
  );
  return Object.fromEntries([...inputs, ...weights]);
}

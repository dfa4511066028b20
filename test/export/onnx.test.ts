import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import onnxProto from 'onnx-proto';
import { exportOnnx, writeOnnx } from '../../lib/export/onnx/index.js';
import { lowerings } from '../../lib/export/onnx/lowerings.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Value } from '../../lib/ir/graph.js';
import { constant } from '../../lib/ir/initializer.js';
import type { AttributeValues } from '../../lib/ir/op.js';
import { erase } from '../../lib/ir/op.js';
import type { DataType, Shape } from '../../lib/ir/tensor-type.js';
import { verify } from '../../lib/ir/verify.js';
import { type Activation, noActivation } from '../../lib/ops/epilogue.js';
import * as ops from '../../lib/ops/index.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { runOnnx, toGraphLayout } from '../support/onnxruntime.js';
import { randomBytes, randomNumbers, randomTensor } from '../support/random.js';
import { runReference } from '../support/reference-graph.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const options = { producerVersion: '1.2.3' };
const stored = { kind: 'stored', fileLayout: 'plain', initializer: constant(0), trainable: true } as const;

/** Random values for a graph's inputs and parameters; variances and the like must be positive. */
function randomValues(graph: Graph, seed = 1): Record<string, ReferenceTensor> {
  const next = randomNumbers(seed);
  const leaves = [...graph.inputs, ...graph.parameters].map(({ name, value: { type } }) => {
    if (type.dataType === 'uint8') return [name, randomBytes(type.shape, next)] as const;
    return [name, randomTensor(type.shape, next, /variance/i.test(name) ? 0.25 : -1)] as const;
  });
  return Object.fromEntries(leaves);
}

const exportWith = (graph: Graph, values: Readonly<Record<string, ReferenceTensor>>): Uint8Array =>
  exportOnnx(graph, ({ name }) => Float32Array.from((values[name] as ReferenceTensor).data), options);

/** Exports a graph, runs it in onnxruntime and compares every output with the reference. */
async function compare(graph: Graph, tolerance: number): Promise<void> {
  verify(graph);
  const values = randomValues(graph);
  const expected = runReference(graph, values);
  const received = await runOnnx(exportWith(graph, values), graph, values);
  expect(Object.keys(received)).to.have.members(Object.keys(expected));
  for (const [name, output] of Object.entries(received)) {
    const reference = expected[name] as ReferenceTensor;
    expect(output.shape, name).to.deep.equal(outputShape(reference.shape));
    const error = relativeError(toGraphLayout(output), reference.data);
    expect(error, `relative error of ${name}`).to.be.at.most(name === 'labels' ? 0 : tolerance);
  }
}

const outputShape = (shape: Shape): Shape =>
  shape.length === 4 ? [0, 3, 1, 2].map((axis) => shape[axis] as number) : shape;

interface Case {
  readonly name: string;
  readonly op: ops.InferenceOperationName;
  /** Activations, as inputs of the graph. */
  readonly inputs: Readonly<Record<string, Shape>>;
  /** Filters and vectors, as parameters. */
  readonly parameters?: Readonly<Record<string, Shape>>;
  readonly attributes: AttributeValues;
}

const specs = new Map(ops.operations.map((spec) => [spec.name, spec]));

function graphOf({ op, inputs, parameters = {}, attributes }: Case, dataType: DataType = 'float32'): Graph {
  const builder = new GraphBuilder();
  const operands: Record<string, Value> = {};
  for (const [name, shape] of Object.entries(inputs))
    operands[name] = builder.input(name, {
      dataType: name === 'image' || name === 'labels' ? 'uint8' : dataType,
      shape,
    });
  for (const [name, shape] of Object.entries(parameters))
    operands[name] = builder.parameter(name, shape, stored);
  const outputs = builder.at('one').add(erase(specs.get(op)), operands, attributes);
  for (const [name, value] of Object.entries(outputs)) builder.output(name, value as Value);
  return builder.build();
}

const window = (stride: number, padding: number, dilation: number, groups = 1) => ({
  stride,
  padding,
  dilation,
  groups,
  outputType: 'same',
  ...noActivation,
});
const activated = (activation: Activation, negativeSlope = 0) => ({ activation, negativeSlope });
const conv = (name: string, x: Shape, filter: Shape, attributes: AttributeValues): Case => ({
  name,
  op: 'conv2d',
  inputs: { x },
  parameters: { filter },
  attributes,
});
const pool = (x: Shape, kernel: number, stride: number, padding: number, ceilMode: boolean): Case => ({
  name: `of ${x.join('×')}, kernel ${kernel}, stride ${stride}, padding ${padding}, ceilMode ${ceilMode}`,
  op: 'maxPool2d',
  inputs: { x },
  attributes: { kernel, stride, padding, ceilMode },
});
const grid = (x: Shape, height: number, width: number): Case => ({
  name: `of ${x.join('×')} to ${height}×${width}`,
  op: 'adaptiveAveragePool2d',
  inputs: { x },
  attributes: { height, width },
});
const resize = (x: Shape, height: number, width: number, alignCorners: boolean): Case => ({
  name: `of ${x.join('×')} to ${height}×${width}${alignCorners ? ', corners aligned' : ''}`,
  op: 'resizeBilinear',
  inputs: { x },
  attributes: { height, width, alignCorners, ...noActivation },
});

const cases: readonly Case[] = [
  ...[false, true].map(
    (reverseChannels): Case => ({
      name: reverseChannels ? 'to BGR' : 'in RGB',
      op: 'normalizeImage',
      inputs: { image: [2, 5, 7, 3] },
      parameters: { scale: [3], shift: [3] },
      attributes: { reverseChannels, outputType: 'float32' },
    }),
  ),
  conv('1×1', [2, 5, 7, 4], [6, 1, 1, 4], window(1, 0, 1)),
  conv('3×3 at stride 2', [3, 9, 12, 4], [5, 3, 3, 4], window(2, 1, 1)),
  conv('7×7 at stride 2', [1, 21, 16, 3], [4, 7, 7, 3], window(2, 3, 1)),
  conv('dilated', [2, 13, 11, 3], [4, 3, 3, 3], window(1, 4, 4)),
  conv('with a 2×3 filter', [1, 6, 7, 3], [4, 2, 3, 3], window(1, 1, 1)),
  conv('depthwise', [2, 8, 7, 6], [6, 3, 3, 1], window(2, 1, 1, 6)),
  conv('in two groups', [2, 6, 5, 6], [4, 3, 3, 3], window(1, 1, 1, 2)),
  conv('on one pixel', [3, 1, 1, 4], [5, 3, 3, 4], window(1, 1, 1)),
  {
    name: 'with bias, residual and ReLU',
    op: 'conv2d',
    inputs: { x: [2, 6, 9, 3], residual: [2, 3, 5, 4] },
    parameters: { filter: [4, 3, 3, 3], bias: [4] },
    attributes: { ...window(2, 1, 1), ...activated('relu') },
  },
  ...(['none', 'relu', 'relu6', 'leakyRelu'] as const).map(
    (activation): Case => ({
      name: activation,
      op: 'activate',
      inputs: { x: [2, 3, 5, 4] },
      attributes: activated(activation, 0.01),
    }),
  ),
  {
    name: 'with a steep slope',
    op: 'activate',
    inputs: { x: [1, 3, 5, 4] },
    attributes: activated('leakyRelu', 0.3),
  },
  {
    name: 'of running statistics',
    op: 'batchNorm',
    inputs: { x: [2, 3, 5, 4] },
    parameters: { weight: [4], bias: [4], runningMean: [4], runningVariance: [4] },
    attributes: { epsilon: 0.1 },
  },
  {
    name: 'plain',
    op: 'scaleShift',
    inputs: { x: [2, 3, 5, 4] },
    parameters: { scale: [4], shift: [4] },
    attributes: noActivation,
  },
  {
    name: 'with residual and leaky ReLU',
    op: 'scaleShift',
    inputs: { x: [2, 3, 5, 4], residual: [2, 3, 5, 4] },
    parameters: { scale: [4], shift: [4] },
    attributes: activated('leakyRelu', 0.1),
  },
  {
    name: 'of a map',
    op: 'scaleBy',
    inputs: { x: [2, 3, 5, 4] },
    parameters: { factor: [1] },
    attributes: {},
  },
  {
    name: 'plain',
    op: 'add',
    inputs: { a: [2, 3, 5, 4], b: [2, 3, 5, 4] },
    attributes: noActivation,
  },
  {
    name: 'with ReLU',
    op: 'add',
    inputs: { a: [2, 3, 5, 4], b: [2, 3, 5, 4] },
    attributes: activated('relu'),
  },
  { name: 'of two', op: 'concat', inputs: { a: [2, 3, 5, 4], b: [2, 3, 5, 1] }, attributes: {} },
  {
    name: 'of six',
    op: 'concat',
    inputs: Object.fromEntries([...'abcdef'].map((name, i) => [name, [2, 3, 5, i + 1]])),
    attributes: {},
  },
  { name: 'to bfloat16', op: 'cast', inputs: { x: [2, 3, 5, 4] }, attributes: { outputType: 'bfloat16' } },
  { name: 'to float32', op: 'cast', inputs: { x: [2, 3, 5, 4] }, attributes: { outputType: 'float32' } },
  pool([2, 9, 12, 3], 3, 2, 1, false),
  pool([2, 9, 12, 3], 3, 2, 1, true),
  pool([1, 32, 33, 2], 3, 2, 1, true),
  pool([1, 3, 5, 2], 2, 2, 1, true), // the last window would start beyond the image
  pool([1, 7, 6, 2], 2, 3, 0, true),
  pool([1, 1, 1, 2], 3, 2, 1, true),
  pool([1, 8, 8, 2], 1, 2, 0, false),
  grid([2, 5, 7, 3], 1, 1),
  grid([2, 12, 6, 3], 3, 2),
  grid([2, 7, 13, 3], 3, 6),
  grid([1, 2, 3, 2], 6, 6),
  grid([1, 5, 7, 2], 1, 3),
  ...[true, false].flatMap((alignCorners) => [
    resize([2, 3, 5, 4], 7, 11, alignCorners),
    resize([2, 9, 8, 3], 4, 3, alignCorners),
    resize([1, 1, 1, 3], 5, 4, alignCorners),
    resize([1, 4, 5, 3], 1, 1, alignCorners),
    resize([1, 4, 5, 3], 1, 9, alignCorners),
    resize([1, 6, 5, 3], 6, 5, alignCorners),
    resize([1, 13, 17, 2], 97, 129, alignCorners),
  ]),
  {
    name: 'with residual and ReLU',
    op: 'resizeBilinear',
    inputs: { x: [2, 3, 5, 4], residual: [2, 6, 9, 4] },
    attributes: { height: 6, width: 9, alignCorners: true, ...activated('relu') },
  },
  ...[true, false].map(
    (alignCorners): Case => ({
      name: alignCorners ? 'of two maps' : 'with half pixels, residual and ReLU',
      op: 'resizeTaps',
      inputs: {
        a: [2, 3, 5, 9 * 4],
        b: [2, 1, 1, 9 * 4],
        ...(!alignCorners && { residual: [2, 7, 9, 4] }),
      },
      attributes: {
        height: 7,
        width: 9,
        kernel: 3,
        dilation: 2,
        alignCorners,
        ...activated(alignCorners ? 'none' : 'relu'),
        outputType: 'float32',
      },
    }),
  ),
  ...[1, 4.5].map(
    (scale): Case => ({
      name: `scaled by ${scale}`,
      op: 'spatialSoftmax',
      inputs: { logits: [2, 5, 7, 3] },
      attributes: { scale },
    }),
  ),
  ...[1, -4.5].map(
    (scale): Case => ({
      name: `scaled by ${scale}`,
      op: 'softmax',
      inputs: { x: [2, 5, 7, 3] },
      attributes: { scale },
    }),
  ),
  // Of random bytes some are labels of no class, and some classes have no pixel.
  ...[true, false].flatMap((normalised) =>
    [
      [5, 7],
      [3, 4],
      [11, 13],
    ].map(
      ([height, width]): Case => ({
        name: `of ${height}×${width} pixels${normalised ? ', normalised' : ''}`,
        op: 'labelRegions',
        inputs: { labels: [2, 5, 7] },
        attributes: { height: height as number, width: width as number, classes: 150, normalised },
      }),
    ),
  ),
  {
    name: 'over odd sizes',
    op: 'distributeRegions',
    inputs: { regions: [2, 5, 7, 3], vectors: [2, 3, 1, 6] },
    attributes: {},
  },
  {
    name: 'over odd sizes',
    op: 'scoreRegions',
    inputs: { features: [2, 5, 7, 6], vectors: [2, 3, 1, 6] },
    attributes: {},
  },
  {
    name: 'over odd sizes',
    op: 'aggregateRegions',
    inputs: { regions: [2, 5, 7, 3], features: [2, 5, 7, 6] },
    attributes: {},
  },
  {
    name: 'over odd sizes, scaled',
    op: 'gatherRegions',
    inputs: { logits: [2, 5, 7, 3], features: [2, 5, 7, 6] },
    attributes: { scale: 4.5 },
  },
  {
    name: 'scaled',
    op: 'attendRegions',
    inputs: { query: [2, 5, 7, 4], key: [2, 3, 1, 4], value: [2, 3, 1, 6] },
    attributes: { scale: 0.5, ...noActivation },
  },
  {
    name: 'with ReLU',
    op: 'attendRegions',
    inputs: { query: [3, 4, 3, 8], key: [3, 5, 1, 8], value: [3, 5, 1, 2] },
    attributes: { scale: 1, ...activated('relu') },
  },
  {
    name: 'over a map of another size',
    op: 'attendPixels',
    inputs: { query: [2, 5, 7, 4], key: [2, 3, 6, 4], value: [2, 3, 6, 5] },
    attributes: { scale: 0.5 },
  },
  {
    name: 'over odd sizes',
    op: 'attendCrissCross',
    inputs: { query: [2, 5, 7, 4], key: [2, 5, 7, 4], value: [2, 5, 7, 6] },
    attributes: { scale: 0.5 },
  },
  ...[true, false].map(
    (alignCorners): Case => ({
      name: alignCorners ? 'with corners aligned' : 'with half pixels',
      op: 'resizeArgmax',
      inputs: { logits: [2, 5, 7, 4] },
      attributes: { height: 19, width: 26, alignCorners, labelType: 'uint8' },
    }),
  ),
  {
    name: 'to sixteen bits',
    op: 'resizeArgmax',
    inputs: { logits: [1, 3, 4, 300] },
    attributes: { height: 6, width: 9, alignCorners: true, labelType: 'uint16' },
  },
];

describe('ONNX export of single operations', () => {
  for (const one of cases) it(`${one.op} ${one.name}`, () => compare(graphOf(one), 2e-6));

  it('has a case for every operation', () => {
    expect(new Set(cases.map(({ op }) => op))).to.have.all.keys(...Object.keys(lowerings));
    expect(ops.inferenceOperations.map(({ name }) => name)).to.have.members(Object.keys(lowerings));
  });

  it('rounds bfloat16 results', () =>
    compare(graphOf(conv('', [2, 5, 7, 4], [6, 3, 3, 4], window(1, 1, 1)), 'bfloat16'), 4e-3));
});

/** A miniature of an OCR network: stem, batch norm, residual, two scales, regions, attention, labels. */
function miniature(batch: number, height: number, width: number): Graph {
  const g = new GraphBuilder();
  const image = g.input('image', { dataType: 'uint8', shape: [batch, height, width, 3] });
  const vector = (name: string, size: number) => g.parameter(name, [size], stored);
  const conv2d = (x: Value, name: string, outputs: number, kernel: number, stride: number) =>
    g.at(name).add(
      ops.conv2d,
      {
        x,
        filter: g.parameter(`${name}.weight`, [outputs, kernel, kernel, x.type.shape[3] as number], stored),
      },
      { ...window(stride, (kernel - 1) / 2, 1), outputType: 'same' },
    ).y;
  const normalized = g.add(
    ops.normalizeImage,
    { image, scale: vector('scale', 3), shift: vector('shift', 3) },
    { reverseChannels: true, outputType: 'float32' },
  ).y;
  const stem = g.at('bn').add(
    ops.batchNorm,
    {
      x: conv2d(normalized, 'stem', 8, 3, 2),
      weight: vector('bn.weight', 8),
      bias: vector('bn.bias', 8),
      runningMean: vector('bn.running_mean', 8),
      runningVariance: vector('bn.running_variance', 8),
    },
    { epsilon: 1e-5 },
  ).y;
  const relu = activated('relu');
  const high = g.add(ops.activate, { x: stem }, relu).y;
  const low = conv2d(high, 'down', 8, 3, 2);
  const [, rows, columns] = high.type.shape as [number, number, number];
  const up = g.add(
    ops.resizeBilinear,
    { x: low, residual: high },
    { height: rows, width: columns, alignCorners: true, ...relu },
  ).y;
  const regionLogits = conv2d(up, 'aux', 5, 1, 1);
  const { regions } = g.add(ops.spatialSoftmax, { logits: regionLogits }, { scale: 1 });
  const described = g.add(ops.aggregateRegions, { regions, features: up }, {}).y;
  const context = g.add(
    ops.attendRegions,
    { query: conv2d(up, 'query', 6, 1, 1), key: conv2d(described, 'key', 6, 1, 1), value: described },
    { scale: 6 ** -0.5, ...noActivation },
  ).y;
  const logits = conv2d(g.add(ops.concat, { a: context, b: up }, {}).y, 'head', 5, 1, 1);
  const attributes = { height, width, alignCorners: true, labelType: 'uint8' } as const;
  const { labels, confidence } = g.add(ops.resizeArgmax, { logits }, attributes);
  for (const [name, value] of Object.entries({ logits, regionLogits, regions, labels, confidence }))
    g.output(name, value);
  return g.build();
}

describe('ONNX export of networks', () => {
  const folder = temporaryFolder();

  for (const [batch, height, width] of [
    [1, 33, 47],
    [3, 20, 18],
  ] as const)
    it(`agrees with the reference from bytes to labels, ${batch}×${height}×${width}`, () =>
      compare(miniature(batch, height, width), 1e-5));

  it('writes a valid file with names, sizes and versions', async () => {
    const graph = miniature(1, 16, 24);
    const values = randomValues(graph);
    const path = folder.path('model.onnx');
    const read = ({ name }: { name: string }) => Float32Array.from((values[name] as ReferenceTensor).data);
    await writeOnnx(path, graph, read, options);
    const model = onnxProto.onnx.ModelProto.decode(await readFile(path));
    expect(model.producerName).to.equal('ocrnet');
    expect(model.producerVersion).to.equal('1.2.3');
    expect(model.graph?.input?.map(({ name }) => name)).to.deep.equal(['image']);
    expect(model.graph?.output?.map(({ name }) => name)).to.include.members(['logits', 'labels']);
    const head = model.graph?.initializer?.find(({ name }) => name === 'head.weight');
    expect(head?.dims?.map(Number)).to.deep.equal([5, 16, 1, 1]);
    expect(model.graph?.node?.map(({ name }) => name)).to.include('stem/Conv');
  });

  it('leaves out what nothing reads', () => {
    const graph = miniature(1, 16, 24);
    const logits = { ...graph, outputs: graph.outputs.filter(({ name }) => name === 'logits') };
    const model = onnxProto.onnx.ModelProto.decode(exportWith(logits, randomValues(graph)));
    const operators = model.graph?.node?.map(({ opType }) => opType);
    expect(operators).to.include('MatMul');
    expect(operators).not.to.include.members(['ArgMax']);
    expect(operators).not.to.include.members(['ReduceMax']);
  });

  it('refuses more weights than a file can hold, before reading any', () =>
    expectOcrnetError(
      () => {
        const builder = new GraphBuilder();
        builder.parameter('huge', [2 ** 29], stored);
        const never = () => {
          throw new Error('read');
        };
        exportOnnx(builder.build(), never, options);
      },
      'UNSUPPORTED',
      'one ONNX file',
      `${2 ** 31}`,
    ));
});

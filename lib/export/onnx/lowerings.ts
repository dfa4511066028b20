import type { AttributeSchema, Attributes } from '../../ir/attributes.js';
import type { Node } from '../../ir/graph.js';
import type { Inputs, OpSpec } from '../../ir/op.js';
import type { TensorType } from '../../ir/tensor-type.js';
import type { Activation } from '../../ops/epilogue.js';
import * as ops from '../../ops/index.js';
import { elementTypes, type OnnxAttribute, type OnnxEmitter, onnxElementType } from './emitter.js';

/**
 * How each operation is said in ONNX (operator set 17). A tensor with four axes is channels last in the graph and channels
 * first in ONNX, activations and filters alike; the `type` of an operand is the graph's.
 */
export interface Operand {
  readonly name: string;
  readonly type: TensorType;
}

/** Emits the ONNX nodes for one node and gives the names of its outputs. */
export type Lowering = (
  inputs: Readonly<Record<string, Operand>>,
  node: Node,
  onnx: OnnxEmitter,
) => Readonly<Record<string, string>>;

type Outputs<O extends readonly string[], T> = { readonly [K in O[number]]: T };

function lower<
  I extends readonly string[],
  Opt extends readonly string[],
  O extends readonly string[],
  S extends AttributeSchema,
>(
  _spec: OpSpec<string, I, Opt, O, S>,
  emit: (
    inputs: Inputs<I, Opt, Operand>,
    attributes: Attributes<S>,
    onnx: OnnxEmitter,
    outputs: Outputs<O, TensorType>,
  ) => Outputs<O, string>,
): Lowering {
  return (inputs, node, onnx) => {
    const types = Object.entries(node.outputs).map(([name, { type }]) => [name, type] as const);
    return emit(
      inputs as unknown as Inputs<I, Opt, Operand>,
      node.attributes as Attributes<S>,
      onnx,
      Object.fromEntries(types) as Outputs<O, TensorType>,
    );
  };
}

interface Epilogue {
  readonly activation: Activation;
  readonly negativeSlope: number;
}

function applyEpilogue(
  onnx: OnnxEmitter,
  y: string,
  { activation, negativeSlope }: Epilogue,
  residual?: Operand,
): string {
  const sum = residual ? onnx.node('Add', [y, residual.name]) : y;
  switch (activation) {
    case 'none':
      return sum;
    case 'relu':
      return onnx.node('Relu', [sum]);
    case 'relu6':
      return onnx.node('Clip', [sum, onnx.scalar(0), onnx.scalar(6)]);
    case 'leakyRelu':
      return onnx.node('LeakyRelu', [sum], { alpha: { float: negativeSlope } });
  }
}

/** A vector over the channels as (C, 1, 1), which broadcasts over (N, C, H, W). */
const perChannel = (onnx: OnnxEmitter, { name }: Operand): string =>
  onnx.node('Unsqueeze', [name, onnx.integers([1, 2])]);

/** (N, C, H, W) as matrices (N, C, pixels). */
const asMatrices = (onnx: OnnxEmitter, { name }: Operand): string =>
  onnx.node('Reshape', [name, onnx.integers([0, 0, -1])]);

/** Matrices as the ONNX form of a graph type (N, H, W, C). */
const asImages = (onnx: OnnxEmitter, name: string, { shape }: TensorType): string => {
  const [batch, height, width, channels] = shape as [number, number, number, number];
  return onnx.node('Reshape', [name, onnx.integers([batch, channels, height, width])]);
};

const transposeMatrices = (onnx: OnnxEmitter, name: string): string =>
  onnx.node('Transpose', [name], { perm: { ints: [0, 2, 1] } });

/** Scale zero is possible, so only one is left out. */
const scaled = (onnx: OnnxEmitter, name: string, scale: number): string =>
  scale === 1 ? name : onnx.node('Mul', [name, onnx.scalar(scale)]);

/** Of class scores (N, H, W, K) the softmax over the pixels, (N, K, pixels). */
const pixelShares = (onnx: OnnxEmitter, logits: Operand, scale: number): string =>
  onnx.node('Softmax', [scaled(onnx, asMatrices(onnx, logits), scale)], { axis: { int: 2 } });

/** Features (N, H, W, C) summed by each of `regions`, (N, K, pixels): (N, C, K). */
const aggregated = (onnx: OnnxEmitter, regions: string, features: Operand): string =>
  onnx.node('MatMul', [asMatrices(onnx, features), transposeMatrices(onnx, regions)]);

function resize(
  onnx: OnnxEmitter,
  { name, type }: Operand,
  { height, width, alignCorners }: { height: number; width: number; alignCorners: boolean },
): string {
  const [batch, , , channels] = type.shape as [number, number, number, number];
  return onnx.node('Resize', [name, '', '', onnx.integers([batch, channels, height, width])], {
    mode: { text: 'linear' },
    coordinate_transformation_mode: { text: alignCorners ? 'align_corners' : 'half_pixel' },
  });
}

/** Row i holds 1 / (cell size) over the positions of adaptive cell i. */
function cellMeans(from: number, to: number): number[][] {
  return Array.from({ length: to }, (_, i) => {
    const first = Math.floor((i * from) / to);
    const end = Math.ceil(((i + 1) * from) / to);
    return Array.from({ length: from }, (_, j) => (first <= j && j < end ? 1 / (end - first) : 0));
  });
}

const concatNames = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

export const lowerings = {
  normalizeImage: lower(ops.normalizeImage, ({ image, scale, shift }, { reverseChannels }, onnx) => {
    const bytes = onnx.node('Cast', [image.name], { to: { int: elementTypes.FLOAT } });
    const channels = image.type.shape[3] as number;
    const reversed = Array.from({ length: channels }, (_, i) => channels - 1 - i);
    const ordered = reverseChannels
      ? onnx.node('Gather', [bytes, onnx.integers(reversed)], { axis: { int: 1 } })
      : bytes;
    return {
      y: onnx.node('Add', [onnx.node('Mul', [ordered, perChannel(onnx, scale)]), perChannel(onnx, shift)]),
    };
  }),

  conv2d: lower(ops.conv2d, ({ x, filter, bias, residual }, attributes, onnx) => {
    const { stride, padding, dilation, groups } = attributes;
    const operands = [x, filter, ...(bias ? [bias] : [])].map(({ name }) => name);
    const y = onnx.node('Conv', operands, {
      kernel_shape: { ints: filter.type.shape.slice(1, 3) },
      strides: { ints: [stride, stride] },
      pads: { ints: [padding, padding, padding, padding] },
      dilations: { ints: [dilation, dilation] },
      group: { int: groups },
    });
    return { y: applyEpilogue(onnx, y, attributes, residual) };
  }),

  batchNorm: lower(ops.batchNorm, ({ x, weight, bias, runningMean, runningVariance }, { epsilon }, onnx) => ({
    y: onnx.node(
      'BatchNormalization',
      [x, weight, bias, runningMean, runningVariance].map(({ name }) => name),
      { epsilon: { float: epsilon } },
    ),
  })),

  scaleShift: lower(ops.scaleShift, ({ x, scale, shift, residual }, attributes, onnx) => {
    const product = onnx.node('Mul', [x.name, perChannel(onnx, scale)]);
    const y = shift ? onnx.node('Add', [product, perChannel(onnx, shift)]) : product;
    return { y: applyEpilogue(onnx, y, attributes, residual) };
  }),

  scaleBy: lower(ops.scaleBy, ({ x, factor }, _attributes, onnx) => ({
    y: onnx.node('Mul', [x.name, factor.name]),
  })),

  activate: lower(ops.activate, ({ x }, attributes, onnx) => ({
    y: applyEpilogue(onnx, x.name, attributes),
  })),

  add: lower(ops.add, ({ a, b }, attributes, onnx) => ({
    y: applyEpilogue(onnx, a.name, attributes, b),
  })),

  concat: lower(ops.concat, (parts, _attributes, onnx) => ({
    y: onnx.node(
      'Concat',
      concatNames.map((name) => parts[name]?.name).filter((name) => name !== undefined),
      { axis: { int: 1 } },
    ),
  })),

  // The exporter rounds every result of 16 bits, so that nothing is left to do here.
  cast: lower(ops.cast, ({ x }) => ({ y: x.name })),

  maxPool2d: lower(ops.maxPool2d, ({ x }, { kernel, stride, padding }, onnx, { y }) => {
    // Padding that makes the rounded-down window count right: runtimes disagree about the last window of ceil_mode.
    const after = [1, 2].map((axis) => {
      const [from, to] = [x.type.shape[axis] as number, y.shape[axis] as number];
      return Math.max(0, (to - 1) * stride + kernel - from - padding);
    });
    const attributes: Record<string, OnnxAttribute> = {
      kernel_shape: { ints: [kernel, kernel] },
      strides: { ints: [stride, stride] },
      pads: { ints: [padding, padding, ...after] },
    };
    return { y: onnx.node('MaxPool', [x.name], attributes) };
  }),

  adaptiveAveragePool2d: lower(ops.adaptiveAveragePool2d, ({ x }, { height, width }, onnx) => {
    if (height === 1 && width === 1) return { y: onnx.node('GlobalAveragePool', [x.name]) };
    // The mean over a rectangle is the mean of its rows' means: two products with matrices of cell shares.
    const [, fromHeight, fromWidth] = x.type.shape as [number, number, number];
    const shares = cellMeans(fromWidth, width);
    const transposed = Array.from({ length: fromWidth }, (_, j) => shares.map((row) => row[j] as number));
    const rowMeans = onnx.node('MatMul', [x.name, onnx.matrix(transposed)]);
    return { y: onnx.node('MatMul', [onnx.matrix(cellMeans(fromHeight, height)), rowMeans]) };
  }),

  resizeBilinear: lower(ops.resizeBilinear, ({ x, residual }, attributes, onnx) => ({
    y: applyEpilogue(onnx, resize(onnx, x, attributes), attributes, residual),
  })),

  softmax: lower(ops.softmax, ({ x }, { scale }, onnx) => ({
    y: onnx.node('Softmax', [scaled(onnx, x.name, scale)], { axis: { int: 1 } }),
  })),

  spatialSoftmax: lower(ops.spatialSoftmax, ({ logits }, { scale }, onnx, { regions }) => ({
    regions: asImages(onnx, pixelShares(onnx, logits, scale), regions),
  })),

  labelRegions: lower(ops.labelRegions, ({ labels }, { height, width, classes, normalised }, onnx) => {
    const [, fromHeight, fromWidth] = labels.type.shape as [number, number, number];
    // Gathered by index: a Resize to the nearest pixel would compute the index in float32.
    const nearest = (name: string, axis: number, from: number, to: number) => {
      const sources = Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));
      return onnx.node('Gather', [name, onnx.integers(sources)], { axis: { int: axis } });
    };
    const grid = nearest(nearest(labels.name, 1, fromHeight, height), 2, fromWidth, width);
    const ofPixels = onnx.node('Unsqueeze', [
      onnx.node('Cast', [grid], { to: { int: elementTypes.INT64 } }),
      onnx.integers([1]),
    ]);
    const ofClasses = onnx.node('Unsqueeze', [
      onnx.integers(Array.from({ length: classes }, (_, k) => k)),
      onnx.integers([1, 2]),
    ]);
    const members = onnx.node('Cast', [onnx.node('Equal', [ofPixels, ofClasses])], {
      to: { int: elementTypes.FLOAT },
    });
    if (!normalised) return { regions: members };
    const counts = onnx.node('ReduceSum', [members, onnx.integers([2, 3])]);
    return { regions: onnx.node('Div', [members, onnx.node('Max', [counts, onnx.scalar(1)])]) };
  }),

  aggregateRegions: lower(ops.aggregateRegions, ({ regions, features }, _attributes, onnx, { y }) => ({
    y: asImages(onnx, aggregated(onnx, asMatrices(onnx, regions), features), y),
  })),

  gatherRegions: lower(ops.gatherRegions, ({ logits, features }, { scale }, onnx, { y }) => ({
    y: asImages(onnx, aggregated(onnx, pixelShares(onnx, logits, scale), features), y),
  })),

  distributeRegions: lower(ops.distributeRegions, ({ regions, vectors }, _attributes, onnx, { y }) => {
    const mixed = onnx.node('MatMul', [asMatrices(onnx, vectors), asMatrices(onnx, regions)]);
    return { y: asImages(onnx, mixed, y) };
  }),

  scoreRegions: lower(ops.scoreRegions, ({ features, vectors }, _attributes, onnx, { scores }) => {
    const rows = transposeMatrices(onnx, asMatrices(onnx, vectors));
    return { scores: asImages(onnx, onnx.node('MatMul', [rows, asMatrices(onnx, features)]), scores) };
  }),

  attendRegions: lower(ops.attendRegions, ({ query, key, value }, attributes, onnx, { y }) => {
    const keys = scaled(onnx, transposeMatrices(onnx, asMatrices(onnx, key)), attributes.scale);
    const scores = onnx.node('MatMul', [keys, asMatrices(onnx, query)]); // (N, K, pixels)
    const relation = onnx.node('Softmax', [scores], { axis: { int: 1 } });
    const context = onnx.node('MatMul', [asMatrices(onnx, value), relation]); // (N, C, pixels)
    return { y: applyEpilogue(onnx, asImages(onnx, context, y), attributes) };
  }),

  attendPixels: lower(ops.attendPixels, ({ query, key, value }, { scale }, onnx, { y, logSumExp }) => {
    const keys = scaled(onnx, transposeMatrices(onnx, asMatrices(onnx, key)), scale);
    const scores = onnx.node('MatMul', [keys, asMatrices(onnx, query)]); // (N, keys, queries)
    const weights = onnx.node('Softmax', [scores], { axis: { int: 1 } });
    return {
      y: asImages(onnx, onnx.node('MatMul', [asMatrices(onnx, value), weights]), y),
      logSumExp: asImages(onnx, onnx.node('ReduceLogSumExp', [scores], { axes: { ints: [1] } }), logSumExp),
    };
  }),

  // The weights of both directions side by side, keys × (H, W) queries.
  attendCrissCross: lower(ops.attendCrissCross, ({ query, key, value }, { scale }, onnx) => {
    const [, height, width] = query.type.shape as [number, number, number];
    const transpose = (x: string, perm: readonly number[]) =>
      onnx.node('Transpose', [x], { perm: { ints: perm } });
    const own = onnx.matrix(
      Array.from({ length: height }, (_, i) =>
        Array.from({ length: height }, (_, j) => (i === j ? Number.NEGATIVE_INFINITY : 0)),
      ),
    );
    // (N, W, keys, H) and (N, H, keys, W)
    const ofColumns = onnx.node('MatMul', [
      scaled(onnx, transpose(key.name, [0, 3, 2, 1]), scale),
      transpose(query.name, [0, 3, 1, 2]),
    ]);
    const ofRows = onnx.node('MatMul', [
      scaled(onnx, transpose(key.name, [0, 2, 3, 1]), scale),
      transpose(query.name, [0, 2, 1, 3]),
    ]);
    const columns = transpose(onnx.node('Add', [ofColumns, own]), [0, 2, 3, 1]);
    const rows = transpose(ofRows, [0, 2, 1, 3]);
    const scores = onnx.node('Concat', [columns, rows], { axis: { int: 1 } });
    const weights = onnx.node('Softmax', [scores], { axis: { int: 1 } });
    const part = (first: number, end: number, perm: readonly number[]) =>
      transpose(
        onnx.node('Slice', [weights, onnx.integers([first]), onnx.integers([end]), onnx.integers([1])]),
        perm,
      );
    const fromColumns = onnx.node('MatMul', [
      transpose(value.name, [0, 3, 1, 2]),
      part(0, height, [0, 3, 1, 2]),
    ]);
    const fromRows = onnx.node('MatMul', [
      transpose(value.name, [0, 2, 1, 3]),
      part(height, height + width, [0, 2, 1, 3]),
    ]);
    return {
      y: onnx.node('Add', [transpose(fromColumns, [0, 2, 3, 1]), transpose(fromRows, [0, 2, 1, 3])]),
      logSumExp: onnx.node('ReduceLogSumExp', [scores], { axes: { ints: [1] } }),
    };
  }),

  resizeArgmax: lower(ops.resizeArgmax, ({ logits }, attributes, onnx) => {
    const scores = resize(onnx, logits, attributes);
    const labels = onnx.node('ArgMax', [scores], { axis: { int: 1 }, keepdims: { int: 0 } });
    const shares = onnx.node('Softmax', [scores], { axis: { int: 1 } });
    return {
      labels: onnx.node('Cast', [labels], { to: { int: onnxElementType[attributes.labelType] } }),
      confidence: onnx.node('ReduceMax', [shares], { axes: { ints: [1] }, keepdims: { int: 0 } }),
    };
  }),
  resizeTaps: lower(ops.resizeTaps, ({ residual, ...maps }, attributes, onnx, { y }) => {
    const { kernel, dilation } = attributes;
    const [batch, height, width, channels] = y.shape as [number, number, number, number];
    const taps = kernel ** 2;
    const padding = (dilation * (kernel - 1)) / 2;
    // A convolution of each channel with as many filters as there are taps, each of which is that tap alone.
    const filter = Array.from({ length: channels * taps }, (_, row) =>
      Array.from({ length: taps }, (_, tap) => (row % taps === tap ? 1 : 0)),
    );
    const filters = onnx.node('Reshape', [
      onnx.matrix(filter),
      onnx.integers([channels, taps, kernel, kernel]),
    ]);
    const sums = Object.values(maps).map((map) => {
      const resized = resize(onnx, map, attributes);
      const split = onnx.node('Reshape', [resized, onnx.integers([batch, taps, channels, height, width])]);
      const byChannel = onnx.node('Transpose', [split], { perm: { ints: [0, 2, 1, 3, 4] } });
      const x = onnx.node('Reshape', [byChannel, onnx.integers([batch, channels * taps, height, width])]);
      return onnx.node('Conv', [x, filters], {
        kernel_shape: { ints: [kernel, kernel] },
        pads: { ints: [padding, padding, padding, padding] },
        dilations: { ints: [dilation, dilation] },
        group: { int: channels },
      });
    });
    const sum = sums.reduce((a, b) => onnx.node('Add', [a, b]));
    return { y: applyEpilogue(onnx, sum, attributes, residual) };
  }),
} satisfies Record<ops.InferenceOperationName, Lowering>;

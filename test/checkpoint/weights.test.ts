import { expect } from 'chai';
import type { TensorSource } from '../../lib/checkpoint/tensor-source.js';
import { checkpointReader, checkpointTensors, eachWeight } from '../../lib/checkpoint/weights.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Parameter } from '../../lib/ir/graph.js';
import { constant } from '../../lib/ir/initializer.js';
import { elementCount, type Shape } from '../../lib/ir/tensor-type.js';
import { expectOcrnetError } from '../support/expect-error.js';

const stored = (fileLayout: 'plain' | 'filter') =>
  ({ kind: 'stored', fileLayout, initializer: constant(0), trainable: true }) as const;

/** A graph of parameters alone. */
function graphOf(filters: Record<string, Shape>, vectors: Record<string, Shape> = {}): Graph {
  const builder = new GraphBuilder();
  for (const [name, shape] of Object.entries(filters)) builder.parameter(name, shape, stored('filter'));
  for (const [name, shape] of Object.entries(vectors)) builder.parameter(name, shape, stored('plain'));
  return builder.build();
}

function sourceOf(shapes: Record<string, Shape>): TensorSource & { reads: string[] } {
  const reads: string[] = [];
  return {
    description: 'weights.safetensors',
    tensors: new Map(Object.entries(shapes).map(([name, shape]) => [name, { shape }])),
    reads,
    read(name) {
      reads.push(name);
      return Float32Array.from({ length: elementCount(shapes[name] as Shape) }, (_, i) => i);
    },
  };
}

describe('weights from a checkpoint', () => {
  it('come in the graph layout: filters OHWI, depthwise ones too, vectors as they are', () => {
    const graph = graphOf({ conv: [2, 1, 2, 3], depthwise: [3, 2, 2, 1] }, { bias: [2] });
    const source = sourceOf({ conv: [2, 3, 1, 2], depthwise: [3, 1, 2, 2], bias: [2] });
    const weights = new Map(
      [...eachWeight(graph, checkpointReader(graph, source))].map(([{ name }, data]) => [name, [...data]]),
    );
    expect(weights.get('conv')).to.deep.equal([0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
    expect(weights.get('depthwise')).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(weights.get('bias')).to.deep.equal([0, 1]);
  });

  it('go back to the layout of files', () => {
    const graph = graphOf({ conv: [2, 3, 2, 5] }, { bias: [2] });
    const source = sourceOf({ conv: [2, 5, 3, 2], bias: [2] });
    const { tensors, read } = checkpointTensors(graph, checkpointReader(graph, source));
    expect(tensors).to.deep.equal(source.tensors);
    for (const name of tensors.keys()) expect([...read(name)]).to.deep.equal([...source.read(name)]);
  });

  it('are computed where they are derived, reading each stored one once and keeping it no longer than needed', () => {
    const graph = graphOf({}, { scale: [2], shift: [2], other: [1] });
    const [scale, shift, other] = graph.parameters as [Parameter, Parameter, Parameter];
    const derive = (name: string, from: Parameter[], compute: (t: readonly Float32Array[]) => Float32Array) =>
      ({
        name,
        value: { id: 100 + name.length, type: { dataType: 'float32', shape: [2] } },
        source: { kind: 'derived', from, compute },
      }) as const satisfies Parameter;
    let computed = 0;
    const sum = derive('sum', [scale, shift], ([a, b]) => {
      computed++;
      return Float32Array.from(a as Float32Array, (x, i) => x + ((b as Float32Array)[i] as number));
    });
    const twice = derive('twice', [sum, sum], ([a]) => Float32Array.from(a as Float32Array, (x) => 2 * x));
    const derived: Graph = { ...graph, parameters: [sum, other, twice, scale] };
    const source = sourceOf({ scale: [2], shift: [2], other: [1] });
    const weights = [...eachWeight(derived, checkpointReader(derived, source))];
    expect(weights.map(([{ name }, data]) => [name, ...data])).to.deep.equal([
      ['sum', 0, 2],
      ['other', 0],
      ['twice', 0, 4],
      ['scale', 0, 1],
    ]);
    expect(computed).to.equal(1);
    expect(source.reads).to.deep.equal(['scale', 'shift', 'other']);
  });

  it('are read lazily', () => {
    const graph = graphOf({}, { a: [1], b: [1] });
    const source = sourceOf({ a: [1], b: [1] });
    const weights = eachWeight(graph, checkpointReader(graph, source));
    weights.next();
    expect(source.reads).to.deep.equal(['a']);
  });

  it('may come with counters that mean nothing here', () => {
    const graph = graphOf({}, { 'bn.weight': [1] });
    expect(() =>
      checkpointReader(graph, sourceOf({ 'bn.weight': [1], 'bn.num_batches_tracked': [] })),
    ).not.to.throw();
  });
});

describe('a checkpoint that does not fit', () => {
  const graph = graphOf(
    { 'stem.weight': [4, 3, 3, 3], 'head.weight': [19, 1, 1, 4] },
    { 'stem.bias': [4], 'head.bias': [19] },
  );
  const fitting = {
    'stem.weight': [4, 3, 3, 3],
    'head.weight': [19, 4, 1, 1],
    'stem.bias': [4],
    'head.bias': [19],
  };
  const refuse = (shapes: Record<string, Shape>, ...texts: (string | RegExp)[]) =>
    expectOcrnetError(
      () => checkpointReader(graph, sourceOf(shapes)),
      'INVALID_WEIGHTS',
      'weights.safetensors',
      ...texts,
    );

  it('is one error with names and counts', async () => {
    const { 'stem.bias': _, ...rest } = fitting;
    const error = await refuse(
      { ...rest, extra: [1] },
      '1 tensor missing: stem.bias',
      '1 tensor unexpected: extra',
    );
    expect(error.message).not.to.include('likely cause');
    await refuse({}, '4 tensors missing: stem.weight, head.weight, stem.bias, …');
  });

  it('says which shapes were expected and received, in the layout of files', async () => {
    const error = await refuse(
      { ...fitting, 'stem.weight': [4, 3, 5, 5], 'stem.bias': [5] },
      'stem.weight (expected 4×3×3×3, received 4×3×5×5)',
    );
    expect(error.message).not.to.include('likely cause');
  });

  it('suspects the number of classes', () =>
    refuse(
      { ...fitting, 'head.weight': [21, 4, 1, 1], 'head.bias': [21] },
      'is for 21 classes, the model for 19',
    ));

  for (const prefix of ['module.', 'model.'])
    it(`suspects the prefix ${prefix}`, () =>
      refuse(
        Object.fromEntries(Object.entries(fitting).map(([name, shape]) => [prefix + name, shape])),
        `the names in the file start with "${prefix}"`,
      ));

  it('suspects a prefix that only the model has', async () => {
    const prefixed = graphOf({}, { 'backbone.a': [1], 'backbone.b': [1] });
    await expectOcrnetError(
      () => checkpointReader(prefixed, sourceOf({ a: [1], b: [1] })),
      'INVALID_WEIGHTS',
      `the model's names start with "backbone."`,
    );
  });
});

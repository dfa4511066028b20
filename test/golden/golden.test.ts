import { expect } from 'chai';
import { type ParameterSource, storedParameters } from '../../lib/ir/graph.js';
import { buildSegmenter, type SegmenterOutput } from '../../lib/models/segmenter.js';
import { operations } from '../../lib/ops/index.js';
import { goldenNetworks, goldenOperations, goldenTrainingOperations } from '../support/golden.js';
import { syntheticImage, syntheticParameter } from '../support/synthetic-weights.js';
import { checksum, goldenTrainingRuns, trainingBatch } from '../support/training-run.js';

const isTrained = (source: ParameterSource): boolean => source.kind === 'stored' && source.trainable;

describe('golden fixtures', () => {
  it('have cases for every operation but those that PyTorch does not need to judge', () => {
    const cases = [...goldenOperations(), ...goldenTrainingOperations()];
    const covered = new Set(cases.map(({ spec }) => spec.name));
    const missing = operations.map(({ name }) => name).filter((name) => !covered.has(name));
    // join runs nowhere, allReduce on several devices: test/runtime/group.test.ts. PyTorch has other random numbers for dropout:
    // test/ops/dropout.test.ts. adjustLossScale counts.
    expect(missing).to.deep.equal(['cast', 'join', 'allReduce', 'dropout', 'adjustLossScale']);
  });

  it('fit the specs of their operations: inputs, every attribute, and the types of the outputs', () => {
    for (const { name, spec, attributes, inputs, outputs } of [
      ...goldenOperations(),
      ...goldenTrainingOperations(),
    ]) {
      expect(Object.keys(attributes), name).to.have.members(Object.keys(spec.attributes));
      expect([...spec.inputs, ...spec.optionalInputs], name).to.include.members(Object.keys(inputs));
      const types = Object.fromEntries(Object.entries(inputs).map(([key, { type }]) => [key, type]));
      const given = Object.fromEntries(Object.entries(outputs).map(([key, { type }]) => [key, type]));
      expect(spec.infer(types, attributes), name).to.deep.equal(given);
    }
  });

  it('have the shapes that the networks infer, and scores that vary', () => {
    for (const { name, config, outputs, ...size } of goldenNetworks()) {
      const wanted = Object.keys(outputs) as SegmenterOutput[];
      const graph = buildSegmenter(config, { ...size, outputs: wanted });
      for (const output of graph.outputs)
        expect(outputs[output.name]?.type, `${name}: ${output.name}`).to.deep.equal(output.value.type);
      expect(new Set(outputs.logits?.data).size, name).to.be.above(4);
    }
  });

  it('have a gradient and a change of every tensor of the trained networks, and batches with the bits that Python computes', () => {
    for (const run of goldenTrainingRuns()) {
      const outputs = ['logits', 'regionLogits'] as const;
      const graph = buildSegmenter(run.config, { ...run, outputs });
      expect([...run.changes.keys()], run.name).to.have.members(
        storedParameters(graph).map(({ name }) => name),
      );
      expect([...run.gradients.keys()], run.name).to.have.members(
        storedParameters(graph).flatMap(({ name, source }) => (isTrained(source) ? [name] : [])),
      );
      expect(run.losses.length, run.name).to.equal(run.steps);
      for (const [t, sums] of run.checksums.entries()) {
        const { image, labels } = trainingBatch(run, t);
        expect([checksum(image), checksum(labels)], `${run.name}, step ${t}`).to.deep.equal(sums);
      }
    }
  });

  it('use weights and pictures with the bits that Python computes', () => {
    const bits = (values: Float32Array) => [...new Uint32Array(values.buffer)].map((word) => word.toString(16));
    expect({
      filter: bits(syntheticParameter('backbone.resinit.conv1.weight', [2, 1, 1, 3]).slice(0, 3)),
      weight: bits(syntheticParameter('backbone.layer1.0.bn2.weight', [2])),
      bias: bits(syntheticParameter('cls_head.bias', [2])),
      image: [...syntheticImage(1, 1, 2)],
    }).to.deep.equal({
      filter: ['bc1b1a33', 'bc2cae54', 'baea0f58'],
      weight: ['3eac381d', '3e6f297c'],
      bias: ['3e579cc8', '3e551efe'],
      image: [188, 85, 60, 79, 20, 51],
    });
  });
});

import { expect } from 'chai';
import { eliminateDead } from '../../lib/compile/passes/eliminate-dead.js';
import type { Graph } from '../../lib/ir/graph.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import type { Transform } from '../../lib/optim/index.js';
import { buildTrainingGraph, type TrainingGraphOptions } from '../../lib/train/training-graph.js';
import { randomNumbers } from '../support/random.js';
import { runReference } from '../support/reference-graph.js';
import type { ReferenceTensor } from '../support/reference-tensor.js';
import { smallTrainedNetwork } from '../support/small-trained-network.js';
import { trainingValues } from '../support/training-values.js';

const size = { batch: 2, height: 10, width: 12, classes: 3 };

/** An optimiser that only shows the gradients. */
const showGradients: Transform = (step, { report }) => {
  report('gradients', step.gradients);
  return step;
};

function trainingOf(
  options: Partial<TrainingGraphOptions> = {},
  network: Partial<Parameters<typeof smallTrainedNetwork>[0]> = {},
) {
  return buildTrainingGraph(smallTrainedNetwork({ ...size, ...network }), 'update', {
    losses: { ignoreLabel: 255, classWeights: [1, 0.5, 2], labelSmoothing: 0.1 },
    alignCorners: true,
    labelSize: size,
    labelType: 'uint8',
    optimiser: showGradients,
    groups: {},
    ...options,
  });
}

/** The sum of the losses, by a graph of the forward pass alone. */
function lossOf(graph: Graph) {
  const outputs = graph.outputs.filter(({ name }) => name.endsWith('Loss'));
  const forward = eliminateDead({ ...graph, outputs, updates: [] });
  return (values: Record<string, ReferenceTensor>): number =>
    Object.values(runReference(forward, values)).reduce((sum, { data }) => sum + (data[0] as number), 0);
}

/** Compares the gradients of some entries of every parameter with central differences, in float64. */
function expectGradients(training: ReturnType<typeof trainingOf>): void {
  const { graph, arena } = training;
  const values = trainingValues(graph, size);
  const gradients = runReference(graph, values).gradients as ReferenceTensor;
  const loss = lossOf(graph);
  const scale = Math.max(...gradients.data.map(Math.abs));
  const next = randomNumbers(3);
  for (const { name, value, offset } of arena.parameters) {
    const { data } = values[name] as ReferenceTensor;
    for (let sample = 0; sample < 2; sample++) {
      const i = Math.floor(next() * elementCount(value.type.shape));
      const before = data[i] as number;
      const step = 1e-6;
      data[i] = before + step;
      const above = loss(values);
      data[i] = before - step;
      const below = loss(values);
      data[i] = before;
      const difference = (above - below) / (2 * step);
      // A step of 1e-6 leaves 1e-10 of the loss as rounding: 1e-4 of it in the quotient is far above.
      expect(gradients.data[offset + i], `${name}[${i}]`).to.be.closeTo(
        difference,
        1e-6 * Math.max(1, scale),
      );
    }
  }
}

describe('differentiation', () => {
  it('agrees with central differences through a whole network, dropout included', function () {
    this.timeout(60_000);
    expectGradients(trainingOf({}, { dropoutRate: 0.4 }));
  });

  it('gives the same gradients, to the bit, where activations are computed again', () => {
    const plain = trainingOf({}, { dropoutRate: 0.4 });
    const recompute = ['wide', 'deep', 'narrow', 'ocr_distri_head'];
    const again = trainingOf({ recompute }, { dropoutRate: 0.4 });
    expect(again.graph.nodes.length).to.be.above(plain.graph.nodes.length);
    expect(again.graph.nodes.map(({ path }) => path)).to.include('narrow.0.dropout.again');
    const values = trainingValues(plain.graph, size);
    const [expected, actual] = [plain, again].map(({ graph }) => runReference(graph, values).gradients);
    expect(actual?.data).to.deep.equal(expected?.data);
  });

  it('recovers the inputs of batch norms to rounding', () => {
    const plain = trainingOf();
    const recovering = trainingOf({ recoverNormalisedInputs: true });
    const recovered = recovering.graph.nodes.filter(({ attributes }) => attributes.recoversInput === true);
    expect(recovered).not.to.have.length(0);
    const values = trainingValues(plain.graph, size);
    const [expected, actual] = [plain, recovering].map(
      ({ graph }) => runReference(graph, values).gradients as ReferenceTensor,
    ) as [ReferenceTensor, ReferenceTensor];
    const scale = Math.max(...expected.data.map(Math.abs));
    for (const [i, value] of expected.data.entries())
      expect(Math.abs((actual.data[i] as number) - value)).to.be.below(1e-9 * scale);
  });

  it('rounds in mixed precision and changes nothing else', () => {
    const [exact, mixed] = (['float32', 'bfloat16'] as const).map((precision) => trainingOf({ precision }));
    const values = trainingValues((exact as ReturnType<typeof trainingOf>).graph, size);
    const [expected, actual] = [exact, mixed].map(
      (training) => runReference((training as ReturnType<typeof trainingOf>).graph, values).gradients,
    ) as [ReferenceTensor, ReferenceTensor];
    const norm = (numbers: readonly number[]) => Math.hypot(...numbers);
    const errors = [...expected.data].map((value, i) => (actual.data[i] as number) - value);
    // The reference rounds in casts alone, by 2⁻⁹ at most, and there are few of them between any two values.
    expect(norm(errors)).to.be.above(0);
    expect(norm(errors)).to.be.below(2 ** -6 * norm([...expected.data]));
  });

  it('adds gradients in the epilogue of the operation that computes the newer one', () => {
    const { graph } = trainingOf();
    const hosts = graph.nodes.filter(
      ({ spec, inputs }) => spec.name === 'conv2dInputGradient' && inputs.residual,
    );
    expect(hosts).not.to.have.length(0);
  });

  it('names a parameter that no loss depends on', () => {
    const network = smallTrainedNetwork(size);
    const [logits] = network.outputs;
    const cut = { ...network, outputs: [logits as (typeof network.outputs)[number]] };
    expect(() =>
      buildTrainingGraph({ ...cut, parameters: network.parameters }, 'update', {
        losses: { ignoreLabel: 255 },
        alignCorners: true,
        labelSize: size,
        labelType: 'uint8',
        optimiser: showGradients,
        groups: { learningRateScales: { nowhere: 10 } },
      }),
    ).to.throw('No parameter starts with "nowhere"');
  });
});

import { expect } from 'chai';
import { checkpointReader } from '../../lib/checkpoint/weights.js';
import { channelsFirst } from '../../lib/ir/layout.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { chain, clipByGlobalNorm, sgd } from '../../lib/optim/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { TrainingProgram } from '../../lib/train/training-program.js';
import { syntheticCheckpoint } from '../support/synthetic-weights.js';
import {
  checksum,
  type GoldenTrainingRun,
  goldenTrainingRuns,
  learningRateAt,
  type SampledTensor,
  sampled,
  trainingBatch,
} from '../support/training-run.js';

/**
 * So many times as far from float64 as PyTorch itself gets in float32, in its worst run and at its worst step: a ReLU that
 * rounding turns over may come at another step here.
 */
const allowance = 3;

interface Followed {
  readonly losses: readonly { readonly logits: number; readonly auxiliaryLogits: number }[];
  readonly gradientNorms: readonly number[];
  readonly gradients: ReadonlyMap<string, SampledTensor>;
  readonly changes: ReadonlyMap<string, SampledTensor>;
}

/** Trains a run's network as its protocol says. */
async function follow(run: GoldenTrainingRun, device: Device): Promise<Followed> {
  const { config, batch, height, width, momentum, weightDecay, auxiliaryWeight } = run;
  const graph = buildSegmenter(config, { batch: 1, height: 64, width: 64, outputs: ['logits'] });
  const initial = checkpointReader(graph, syntheticCheckpoint(graph));
  using program = await TrainingProgram.create(device, config, {
    ...{ batch, height, width, initial },
    losses: { ignoreLabel: 255, auxiliaryWeight },
    optimiser: chain(clipByGlobalNorm(1e9), sgd({ momentum, weightDecay })),
    groups: {},
  });
  const before = await program.readWeights();
  const losses: Followed['losses'][number][] = [];
  const gradientNorms: number[] = [];
  const gradients = new Map<string, SampledTensor>();
  for (let t = 0; t < run.steps; t++) {
    const { image, labels } = trainingBatch(run, t);
    expect([checksum(image), checksum(labels)]).to.deep.equal(run.checksums[t]);
    const result = await program.step([{ image, label: labels }], {
      learningRate: learningRateAt(run, t),
      step: t,
    });
    losses.push({
      logits: result.finalLoss,
      auxiliaryLogits: (result.auxiliaryLoss as number) / auxiliaryWeight,
    });
    gradientNorms.push(result.gradientNorm as number);
    if (t === 0) {
      // After the first step the velocity is the gradient and its weight decay.
      const velocity = await program.state.read('velocity');
      for (const { name, value, offset } of program.arena.parameters) {
        const start = before({ name, value, source: { kind: 'derived', from: [], compute: () => velocity } });
        const gradient = start.map((weight, i) => (velocity[offset + i] as number) - weightDecay * weight);
        gradients.set(name, sampled(fileLayout(gradient, value.type.shape)));
      }
    }
  }
  const after = await program.readWeights();
  const changes = new Map<string, SampledTensor>();
  for (const parameter of program.parameters) {
    const start = before(parameter);
    const change = after(parameter).map((value, i) => value - (start[i] as number));
    changes.set(parameter.name, sampled(fileLayout(change, parameter.value.type.shape)));
  }
  return { losses, gradientNorms, gradients, changes };
}

/** Filters as PyTorch has them. */
const fileLayout = (values: Float32Array, shape: readonly number[]): Float32Array =>
  shape.length === 4 ? channelsFirst(values, shape) : values;

const relative = (actual: number, expected: number): number =>
  Math.abs(actual - expected) / Math.abs(expected);

/** Of all samples together, and of the worst tensor among those that are more than rounding. */
function errorsOf(actual: ReadonlyMap<string, SampledTensor>, expected: ReadonlyMap<string, SampledTensor>) {
  const squares = (values: readonly number[]) => values.reduce((sum, value) => sum + value * value, 0);
  let error = 0;
  let total = 0;
  let worst = 0;
  const scale = Math.hypot(...[...expected.values()].map(({ norm }) => norm));
  for (const [name, { norm, samples }] of expected) {
    const own = actual.get(name) as SampledTensor;
    const difference = squares(samples.map((value, i) => value - (own.samples[i] as number)));
    error += difference;
    total += squares(samples);
    if (norm > 1e-6 * scale) worst = Math.max(worst, Math.abs(own.norm - norm) / norm);
  }
  return { all: Math.sqrt(error / total), worst };
}

describe('ten steps of training, against PyTorch', function () {
  this.timeout(120_000);
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(() => device.dispose());

  for (const run of goldenTrainingRuns())
    describe(run.name, () => {
      let followed: Followed;
      before(async () => {
        followed = await follow(run, device);
      });

      it('has the same losses and gradient norms', () => {
        const worstLoss = Math.max(...run.yardstick.losses);
        const worstNorm = Math.max(...run.yardstick.gradientNorms);
        for (const [t, expected] of run.losses.entries()) {
          const actual = followed.losses[t] as (typeof run.losses)[number];
          const allowed = Math.min(1e-4, allowance * worstLoss);
          expect(relative(actual.logits, expected.logits), `step ${t}`).to.be.below(allowed);
          expect(relative(actual.auxiliaryLogits, expected.auxiliaryLogits), `step ${t}`).to.be.below(
            allowed,
          );
          const norms = [followed.gradientNorms[t], run.gradientNorms[t]] as [number, number];
          const allowedOfNorm = allowance * worstNorm;
          expect(relative(...norms), `gradient norm of step ${t}`).to.be.below(allowedOfNorm);
        }
      });

      it('has the same gradients at the first step', () => {
        const { all, worst } = errorsOf(followed.gradients, run.gradients);
        expect(all).to.be.below(allowance * run.yardstick.gradients.all);
        expect(worst).to.be.below(allowance * run.yardstick.gradients.worst);
      });

      it('changes parameters and running statistics alike', () => {
        const { all, worst } = errorsOf(followed.changes, run.changes);
        expect(all).to.be.below(allowance * run.yardstick.changes.all);
        expect(worst).to.be.below(allowance * run.yardstick.changes.worst);
      });
    });
});

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSafetensors } from '../../lib/checkpoint/safetensors.js';
import type { Dataset, LabelledImage } from '../../lib/data/dataset.js';
import { sceneDataset } from '../../lib/data/scenes.js';
import { OcrnetError } from '../../lib/errors.js';
import type { EventOf, TrainingEvent } from '../../lib/logging/events.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { loadRecipe } from '../../lib/train/recipe.js';
import { Trainer, type TrainerOptions } from '../../lib/train/trainer.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import {
  countSteps,
  digestOf,
  type StateDigest,
  stateDigest,
  withRunsInFlight,
} from '../support/training-steps.js';

const scenes = sceneDataset({ count: 12, valCount: 1, width: 96, height: 72, seed: 3, classes: 'camvid' });

/** Six steps on small crops, with a picture at a time. */
const recipeWith = (...set: string[]) =>
  loadRecipe('scenes', {
    set: [
      ...['crop={width: 64, height: 48}', 'batch=1', 'accumulate=2', 'steps=6', 'schedule.warmUp=0'],
      ...['dropout=0.3', 'evaluation.every=4', 'checkpoints={every: 5, keep: 9}', ...set],
    ],
  });

/** Scenes whose samples go through `change` from a call of `begin` on, with their number from 0 in the order of reading. */
function changingDataset(change: (sample: LabelledImage, number: number) => LabelledImage) {
  let count = Number.NEGATIVE_INFINITY;
  const dataset: Dataset = {
    ...scenes,
    async split(name) {
      const split = await scenes.split(name);
      const samples = split.samples.map((sample) => ({
        ...sample,
        read: async () => {
          const number = count++;
          return change(await sample.read(), number);
        },
      }));
      return { ...split, samples };
    },
  };
  const begin = () => {
    count = 0;
  };
  return { dataset, begin };
}

const isStep = (event: TrainingEvent): event is EventOf<'step'> => event.type === 'step';

/** What does not tell time. */
const timeless = (events: readonly TrainingEvent[]) =>
  events
    .filter(({ type }) => type === 'step' || type === 'evaluation')
    .map((event) => ({ ...event, at: 0, elapsedMs: 0, dataWaitMs: 0 }));

/** Of the state in a checkpoint. */
function checkpointDigest(path: string, { program }: Trainer): StateDigest {
  using file = openSafetensors(path);
  return digestOf(program.state.blocks.map(({ name }) => [name, file.read(name)] as const));
}

describe('trainings on a device whose runs overlap', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let device: Device;
  /** What a training does that awaits each step: its events, and its state after so many steps. */
  const awaited: { readonly events: TrainingEvent[]; readonly states: StateDigest[] } = {
    events: [],
    states: [],
  };
  before(async () => {
    const cpu = await openDevice({ threads: 1 });
    expect(cpu.runsInFlight).to.equal(1);
    {
      await using trainer = await Trainer.open({ dataset: scenes, recipe: recipeWith(), device: cpu });
      const counts = countSteps(trainer.program);
      awaited.states.push(await stateDigest(trainer.program.state));
      for await (const event of trainer) {
        awaited.events.push(event);
        if (isStep(event)) awaited.states.push(await stateDigest(trainer.program.state));
      }
      expect(counts).to.deep.equal({ running: 0, most: 1 });
      expect(new Set(awaited.states.map(({ parameters }) => parameters))).to.have.length(7);
    }
    device = withRunsInFlight(cpu, 2);
  });
  after(() => device.dispose());

  const open = (options: Partial<TrainerOptions> = {}) =>
    Trainer.open({ dataset: scenes, recipe: recipeWith(), device, folder: folder.path('out'), ...options });
  const checkpoints = () => readdir(join(folder.path('out'), 'checkpoints')).catch(() => []);

  it('have two steps in flight, none while the network is evaluated or saved, and the same bits and events', async () => {
    const during: number[] = [];
    let counts = { running: 0, most: 0 };
    await using trainer = await open({
      onEvent: ({ type }) => {
        if (type === 'evaluation' || type === 'checkpoint') during.push(counts.running);
      },
    });
    counts = countSteps(trainer.program);
    const events: TrainingEvent[] = [];
    const running: number[] = [];
    for await (const event of trainer) {
      events.push(event);
      if (isStep(event)) running.push(counts.running);
      if (event.type === 'checkpoint')
        expect(checkpointDigest(event.path, trainer)).to.deep.equal(awaited.states[event.step]);
    }
    expect(counts).to.deep.equal({ running: 0, most: 2 });
    // Evaluated after steps 4 and 6, saved after 5 and 6.
    expect(running).to.deep.equal([1, 1, 1, 0, 0, 0]);
    expect(during).to.deep.equal([0, 0, 0, 0]);
    expect(timeless(events)).to.deep.equal(timeless(awaited.events));
    expect(await stateDigest(trainer.program.state)).to.deep.equal(awaited.states[6]);
    for (const { elapsedMs, dataWaitMs } of events.filter(isStep)) {
      expect(elapsedMs).to.be.above(0);
      expect(dataWaitMs).to.be.within(0, elapsedMs);
    }
  });

  for (const how of ['loop', 'signal'] as const)
    it(`end with the step that runs when the ${how} ends them, and save its state`, async () => {
      const stop = new AbortController();
      const heard: TrainingEvent[] = [];
      await using trainer = await open({
        signal: stop.signal,
        onEvent: (event) => heard.push(event),
      });
      const seen: number[] = [];
      for await (const event of trainer) {
        if (!isStep(event)) continue;
        seen.push(event.step);
        if (event.step < 2) continue;
        stop.abort();
        if (how === 'loop') break;
      }
      expect(seen).to.deep.equal(how === 'loop' ? [1, 2] : [1, 2, 3]);
      expect(heard.filter(isStep).map(({ step }) => step)).to.deep.equal([1, 2, 3]);
      expect(heard.at(-1)).to.include({ type: 'end', step: 3, reason: 'stopped' });
      expect(trainer.step).to.equal(3);
      expect(await checkpoints()).to.deep.equal(['step-000003.safetensors']);
      const path = join(folder.path('out'), 'checkpoints', 'step-000003.safetensors');
      expect(checkpointDigest(path, trainer)).to.deep.equal(awaited.states[3]);
    });

  it('are saved, evaluated and read between two steps, whenever they are asked to', async () => {
    await using trainer = await open();
    const events: TrainingEvent[] = [];
    for await (const event of trainer) {
      events.push(event);
      if (!isStep(event) || event.step !== 1) continue;
      const saved = (await trainer.save()) as EventOf<'checkpoint'>;
      expect([saved.step, trainer.step]).to.deep.equal([2, 2]);
      expect(checkpointDigest(saved.path, trainer)).to.deep.equal(awaited.states[2]);
      expect((await trainer.evaluate()).step).to.equal(2);
      await (await trainer.model()).dispose();
      expect(await stateDigest(trainer.program.state)).to.deep.equal(awaited.states[2]);
    }
    expect(timeless(events)).to.deep.equal(timeless(awaited.events));
    expect(await stateDigest(trainer.program.state)).to.deep.equal(awaited.states[6]);
  });

  it('take all steps before the pictures that cannot be read, and keep their state', async () => {
    const { dataset, begin } = changingDataset((sample, number) => {
      if (number === 6) throw new OcrnetError('FILE_UNREADABLE', 'torn');
      return sample;
    });
    await using trainer = await open({ dataset });
    begin();
    const seen: number[] = [];
    await expectOcrnetError(
      async () => {
        for await (const event of trainer) if (isStep(event)) seen.push(event.step);
      },
      'FILE_UNREADABLE',
      'torn',
    );
    expect(seen).to.deep.equal([1, 2, 3]);
    const saved = (await trainer.save()) as EventOf<'checkpoint'>;
    expect(saved.step).to.equal(3);
    expect(checkpointDigest(saved.path, trainer)).to.deep.equal(awaited.states[3]);
  });

  it('lose nothing where the loop is left before pictures that cannot be read', async () => {
    const { dataset, begin } = changingDataset((sample, number) => {
      if (number === 6) throw new OcrnetError('FILE_UNREADABLE', 'torn');
      return sample;
    });
    await using trainer = await open({ dataset });
    begin();
    for await (const event of trainer) if (isStep(event) && event.step === 3) break;
    expect(trainer.step).to.equal(3);
    expect(await checkpoints()).to.deep.equal(['step-000003.safetensors']);
  });

  for (const left of [false, true])
    it(`count no step that fails${left ? ', which whoever leaves the loop hears of' : ', nor take the one behind it'}`, async () => {
      const { dataset, begin } = changingDataset((sample, number) =>
        number === 4
          ? { ...sample, label: { ...sample.label, labels: sample.label.labels.map(() => 99) } }
          : sample,
      );
      const heard: TrainingEvent[] = [];
      await using trainer = await open({ dataset, onEvent: (event) => heard.push(event) });
      begin();
      const counts = countSteps(trainer.program);
      const failure = await expectOcrnetError(async () => {
        for await (const event of trainer) if (left && isStep(event) && event.step === 2) break;
      }, 'INVALID_DATA');
      expect(counts).to.deep.equal({ running: 0, most: 2 });
      expect(trainer.step).to.equal(2);
      // The processor finds a label that is no class behind the forward pass, which has moved the running statistics.
      const statistics = '';
      expect({ ...(await stateDigest(trainer.program.state)), statistics }).to.deep.equal({
        ...awaited.states[2],
        statistics,
      });
      expect(heard.filter(isStep).map(({ step }) => step)).to.deep.equal([1, 2]);
      expect(heard.at(-1)).to.include({ type: 'end', step: 2, reason: 'failed' });
      for (const read of [() => trainer.save(), () => trainer.evaluate(), () => trainer.model()])
        expect(await expectOcrnetError(read, 'INVALID_DATA')).to.equal(failure);
      expect(await checkpoints()).to.deep.equal([]);
    });

  it('save no state whose loss was no number', async () => {
    const recipe = recipeWith(
      ...[
        'optimiser={kind: sgd}',
        'schedule.rate=1e30',
        'clip=null',
        'average=null',
        'evaluation.weights=null',
      ],
      ...['evaluation.every=1000', 'checkpoints.every=1000'],
    );
    await using trainer = await open({ recipe });
    await expectOcrnetError(async () => {
      for await (const event of trainer) if (isStep(event)) expect(event.loss).to.satisfy(Number.isFinite);
    }, 'TRAINING_DIVERGED');
    await expectOcrnetError(() => trainer.save(), 'TRAINING_DIVERGED');
    expect(await checkpoints()).to.deep.equal([]);
  });
});

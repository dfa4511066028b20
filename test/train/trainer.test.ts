import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { sceneDataset } from '../../lib/data/scenes.js';
import type { TrainingEvent } from '../../lib/logging/events.js';
import { evaluateModel } from '../../lib/serve/evaluate-model.js';
import { loadModel } from '../../lib/serve/load-model.js';
import { loadRecipe } from '../../lib/train/recipe.js';
import { Trainer, type TrainerOptions } from '../../lib/train/trainer.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { digestOf } from '../support/training-steps.js';

const dataset = sceneDataset({ count: 12, valCount: 2, width: 96, height: 72, seed: 3, classes: 'camvid' });

/** A few steps of the demonstration on small crops. */
const recipeWith = (...set: string[]) =>
  loadRecipe('scenes', {
    set: ['crop={width: 64, height: 48}', 'batch=2', 'steps=6', 'schedule.warmUp=0', ...set],
  });

async function train(
  options: Partial<TrainerOptions> & Pick<TrainerOptions, 'recipe'>,
  stopAfter = Number.POSITIVE_INFINITY,
): Promise<{ events: TrainingEvent[]; state: Map<string, Float32Array> }> {
  await using trainer = await Trainer.open({ dataset, ...options });
  const events: TrainingEvent[] = [];
  for await (const event of trainer) {
    events.push(event);
    if (event.type === 'step' && event.step === stopAfter) break;
  }
  const state = new Map<string, Float32Array>();
  for (const { name } of trainer.program.state.blocks)
    state.set(name, await trainer.program.state.read(name));
  return { events, state };
}

const lossesOf = (events: readonly TrainingEvent[]) =>
  events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));

describe('training', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  it('gives the same bits for the same seed, and others for another', async () => {
    const [first, second, other] = [
      await train({ recipe: recipeWith() }),
      await train({ recipe: recipeWith() }),
      await train({ recipe: recipeWith('seed=2') }),
    ];
    expect(lossesOf(second.events)).to.deep.equal(lossesOf(first.events));
    expect(digestOf(second.state)).to.deep.equal(digestOf(first.state));
    expect(lossesOf(other.events)).not.to.deep.equal(lossesOf(first.events));
  });

  it('goes on from a checkpoint as if nothing had interrupted it, to the bit', async () => {
    const recipe = recipeWith('accumulate=2', 'checkpoints.every=2', 'dropout=0.3');
    const whole = await train({ recipe });
    const out = folder.path('out');
    const begun = await train({ recipe, folder: out }, 3);
    expect(lossesOf(begun.events)).to.have.length(3);
    const rest = await train({ recipe, folder: out, resume: true });
    expect([...lossesOf(begun.events), ...lossesOf(rest.events)]).to.deep.equal(lossesOf(whole.events));
    expect(digestOf(rest.state)).to.deep.equal(digestOf(whole.state));
  });

  it('trains replicas on devices of their own, and resumes all from one checkpoint', async () => {
    const recipe = recipeWith('replicas=2', 'checkpoints.every=2', 'dropout=0.3');
    const whole = await train({ recipe });
    const out = folder.path('replicas');
    const begun = await train({ recipe, folder: out }, 3);
    const rest = await train({ recipe, folder: out, resume: true });
    expect([...lossesOf(begun.events), ...lossesOf(rest.events)]).to.deep.equal(lossesOf(whole.events));
    expect(digestOf(rest.state)).to.deep.equal(digestOf(whole.state));
    await expectOcrnetError(
      () => train({ recipe: recipeWith('replicas=3') }),
      'INVALID_ARGUMENT',
      'multiple',
    );
  });

  it('goes on from the newest checkpoint that can be read', async () => {
    const recipe = recipeWith('checkpoints={every: 2, keep: 3}');
    const out = folder.path('out');
    await train({ recipe, folder: out }, 4);
    const checkpoints = join(out, 'checkpoints');
    const [, newest] = (await readdir(checkpoints)).sort();
    await writeFile(join(checkpoints, newest as string), 'torn');
    const { events } = await train({ recipe, folder: out, resume: true });
    expect(events[0]).to.include({ type: 'start', step: 2 });
  });

  it('keeps the last checkpoints and the best', async () => {
    const recipe = recipeWith('checkpoints={every: 1, keep: 2}', 'evaluation.every=1');
    const { events } = await train({ recipe, folder: folder.path('out') });
    const scores = events.flatMap((event) => (event.type === 'evaluation' ? [event] : []));
    const best = scores.reduce((a, b) => (b.miou > a.miou ? b : a)).step;
    const kept = (await readdir(join(folder.path('out'), 'checkpoints'))).sort();
    const expected = new Set([best, 5, 6].map((step) => `step-00000${step}.safetensors`));
    expect(kept).to.deep.equal([...expected].sort());
  });

  it('writes a model that others load, a log and a report', async () => {
    const heard: TrainingEvent[] = [];
    const { events } = await train({
      recipe: recipeWith(),
      folder: folder.path('out'),
      onEvent: (event) => heard.push(event),
    });
    // The hook hears the end too, which the iteration is.
    expect(heard.slice(0, -1)).to.deep.equal(events);
    expect(heard.at(-1)).to.include({ type: 'end', reason: 'finished' });
    const last = events.findLast((event) => event.type === 'evaluation');
    await using model = await loadModel(join(folder.path('out'), 'model.safetensors'));
    expect(model.classes.map(({ name }) => name)).to.deep.equal(dataset.classes.map(({ name }) => name));
    const { miou } = await evaluateModel(model, await dataset.split('val'));
    // The file holds half precision.
    expect(miou).to.be.closeTo(last?.miou as number, 0.01);
    expect(await readFile(join(folder.path('out'), 'report.html'), 'utf8')).to.contain('</html>');
    expect((await readFile(join(folder.path('out'), 'log.jsonl'), 'utf8')).trim().split('\n')).to.have.length(
      events.length + 1,
    );
  });

  it('ends after the running step when it is told to, with a checkpoint', async () => {
    const stop = new AbortController();
    await using trainer = await Trainer.open({
      dataset,
      recipe: recipeWith('steps=1000'),
      folder: folder.path('out'),
      signal: stop.signal,
    });
    for await (const event of trainer) if (event.type === 'step' && event.step === 2) stop.abort();
    expect(trainer.step).to.equal(2);
    expect(await readdir(join(folder.path('out'), 'checkpoints'))).to.deep.equal(['step-000002.safetensors']);
  });

  it('does not touch a folder that holds a training, and finds none to resume where there is none', async () => {
    await train({ recipe: recipeWith(), folder: folder.path('out') }, 1);
    await expectOcrnetError(
      () => train({ recipe: recipeWith(), folder: folder.path('out') }),
      'INVALID_ARGUMENT',
      'holds a training',
    );
    await expectOcrnetError(
      () => train({ recipe: recipeWith(), folder: folder.path('empty'), resume: true }),
      'FILE_NOT_FOUND',
      'no checkpoint',
    );
  });

  it('refuses the state of another network', async () => {
    await train({ recipe: recipeWith(), folder: folder.path('out') }, 1);
    await expectOcrnetError(
      () =>
        train({ recipe: recipeWith('model=ocrnet-mobilenet-v2'), folder: folder.path('out'), resume: true }),
      'INVALID_WEIGHTS',
      'another network',
    );
  });

  it('refuses prefixes under which nothing lies', async () => {
    await expectOcrnetError(
      () => train({ recipe: recipeWith('batchNorm.frozen=[backbone.layer9]') }),
      'INVALID_ARGUMENT',
      'no batch norm',
    );
  });

  it('trains with frozen batch norms, whose running statistics stay', async () => {
    const { state } = await train({ recipe: recipeWith('batchNorm.frozen=true', 'average=null') });
    // They start at mean 0 and variance 1.
    expect(new Set(state.get('statistics'))).to.deep.equal(new Set([0, 1]));
  });

  it('stops at a loss that is no number, names the pictures and keeps the last good checkpoint', async () => {
    const recipe = recipeWith(
      'optimiser={kind: sgd}',
      'schedule.rate=1e30',
      'checkpoints.every=1',
      'clip=null',
      'average=null',
      'evaluation.weights=null',
    );
    await expectOcrnetError(
      () => train({ recipe, folder: folder.path('out') }),
      'TRAINING_DIVERGED',
      /with the pictures \S+/,
    );
    expect(await readdir(join(folder.path('out'), 'checkpoints'))).not.to.have.length(0);
  });

  it('learns: 30 % mIoU on rendered streets', async () => {
    const recipe = loadRecipe('scenes', { set: ['steps=60', 'evaluation.every=1000'] });
    const scenes = sceneDataset(recipe.data.scenes);
    const { events } = await train({ recipe, dataset: scenes });
    const last = events.findLast((event) => event.type === 'evaluation');
    expect(last?.miou).to.be.above(0.3);
  });
});

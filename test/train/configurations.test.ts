import { expect } from 'chai';
import { smallNetwork } from '../../bench/gpu/sizes.js';
import { countLabels, type LabelCounts } from '../../lib/data/label-counts.js';
import type { Batch } from '../../lib/data/loader.js';
import { sceneDataset } from '../../lib/data/scenes.js';
import type { SegmenterConfig } from '../../lib/models/segmenter.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { configurationNames } from '../../lib/train/paper-tables.js';
import { loadRecipe, type Recipe } from '../../lib/train/recipe.js';
import { configOf } from '../../lib/train/recipe-network.js';
import { loaderOf, programOf } from '../../lib/train/setup.js';

/**
 * Every configuration of the paper's tables, on a backbone of the same kind and a context of the same kind, both small. Rows of
 * several tables that come to the same network are trained once.
 */

const backbones: Readonly<Record<SegmenterConfig['backbone']['kind'], SegmenterConfig['backbone']>> = {
  resnet: {
    kind: 'resnet',
    block: 'basic',
    blocks: [1, 1, 1, 1],
    stem: '7x7',
    ceilMode: false,
    outputStride: 8,
  },
  hrnet: smallNetwork.config.backbone,
  'mobilenet-v2': { kind: 'mobilenet-v2', widthMultiplier: 0.25, outputStride: 16 },
};

const steps = 6;
const size = { height: 32, width: 48 };
const dataset = sceneDataset({ count: 4, valCount: 1, ...size, seed: 3, classes: 'camvid' });

/** The recipe on a small scale. */
function scaled(name: string): Recipe {
  const { backbone } = configOf(loadRecipe(name), 11);
  const { context: _, ...rest } = configOf(loadRecipe('scenes'), 11);
  const { classes: __, ...network } = rest;
  const own = { kind: 'ocr', form: 'paper', channels: 32, keyChannels: 16, epsilon: 1e-5, negativeSlope: 0 };
  // HRNet's representation feeds OCR as it is.
  const context = { ...own, pixelConvolution: backbone.kind !== 'hrnet' };
  return loadRecipe(name, {
    changes: [
      { form: null, model: { ...network, backbone: backbones[backbone.kind], context } },
      { crop: size, batch: 4, steps, clip: 1000, pretrainedIgnore: [], recompute: [] },
      { augment: { scale: null, resize: null, brightness: 0 }, schedule: { rate: 0.01 } },
    ],
  });
}

describe('configurations of the paper', function () {
  this.timeout(60_000);
  let device: Device;
  let batch: Batch;
  let counts: LabelCounts;
  const recipes = new Map<string, readonly [names: string[], recipe: Recipe]>();
  for (const name of configurationNames()) {
    const recipe = scaled(name);
    const config = configOf(recipe, 11);
    const { context } = config;
    // How many regions are gathered makes no other network: the least and the most stand for all.
    const isBetween = context.kind === 'double-attention' && context.regions > 8 && context.regions < 128;
    const key = JSON.stringify({ ...config, context: isBetween ? { ...context, regions: 64 } : context });
    const [names] = recipes.get(key) ?? [[]];
    recipes.set(key, [[...names, name], recipe]);
  }

  before(async () => {
    device = await openDevice();
    const train = await dataset.split('train');
    counts = await countLabels(train);
    const [, recipe] = [...recipes.values()][0] as readonly [string[], Recipe];
    const { normalisation } = configOf(recipe, 11);
    for await (const first of await loaderOf(recipe, train, 0, normalisation)) {
      batch = first;
      break;
    }
  });
  after(() => device.dispose());

  for (const [names, recipe] of recipes.values())
    it(`${names[0]}${names.length > 1 ? ` (and ${names.length - 1} more)` : ''} trains`, async () => {
      const program = await programOf(device, configOf(recipe, 11), recipe, dataset, counts);
      const losses: number[] = [];
      try {
        for (let step = 0; step < steps; step++) {
          const result = await program.step([batch], { learningRate: recipe.schedule.rate, step });
          losses.push(result.loss);
          expect(result.gradientNorm, `gradients of step ${step}`).to.be.finite.and.to.be.above(0);
        }
      } finally {
        program.dispose();
      }
      expect(losses.every(Number.isFinite), `${losses}`).to.equal(true);
      expect(Math.min(...losses.slice(-2)), `${losses}`).to.be.below(0.95 * (losses[0] as number));
    });
});

import { expect } from 'chai';
import { byteLength } from '../../lib/ir/tensor-type.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule } from '../../lib/models/contexts/index.js';
import { modelConfig } from '../../lib/models/registry.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { openDevice } from '../../lib/runtime/device.js';

/** MiB beyond the input of a context module alone, on 1×128×128×2048: the arena, scratch included, and the output. */
const modules = {
  ppm: 80,
  aspp: 120,
  danet: 160,
  'cc-attention': 140,
  'self-attention': 140,
  'double-attention': 110,
  ocr: 100,
} as const;

/** MiB of the arena of whole networks on 512×1024, with a tenth to spare. */
const networks = { 'ocrnet-hrnet-w48': 176, 'ocrnet-resnet101': 147 } as const;

const mebibyte = 2 ** 20;

describe('planned memory', () => {
  for (const threads of [1, 2, 4, 8])
    it(`keeps within what is allowed for context modules, with ${threads} threads`, async () => {
      await using device = await openDevice({ threads });
      for (const [kind, allowed] of Object.entries(modules)) {
        const size = { batch: 1, height: 128, width: 128, channels: 2048, classes: 19 };
        const graph = buildContextModule(size, contextConfig(kind as keyof typeof modules));
        const { arenaBytes } = device.compile(graph, { precision: 'float32' });
        const outputBytes = graph.outputs.reduce((sum, { value }) => sum + byteLength(value.type), 0);
        expect((arenaBytes + outputBytes) / mebibyte, kind).to.be.at.most(allowed);
      }
    });

  it('keeps within what is known to do for whole networks', async () => {
    await using device = await openDevice({ threads: 2 });
    for (const [name, allowed] of Object.entries(networks)) {
      const options = { batch: 1, height: 512, width: 1024, outputs: ['labels'] } as const;
      const { arenaBytes } = device.compile(buildSegmenter(modelConfig(name), options), {
        precision: 'float32',
      });
      expect(arenaBytes / mebibyte, name).to.be.at.most(allowed);
    }
  });
});

import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { imageNetNormalisation } from '../../lib/models/normalisation.js';
import type { SegmenterConfig } from '../../lib/models/segmenter.js';

/** OCR on an HRNet with few channels: every kind of layer, and quick even where each thread of a GPU is emulated. */
export const emulatedNetwork = {
  backbone: {
    kind: 'hrnet',
    stage1: { blocks: 1, channels: 16 },
    stage2: { modules: 1, blocks: 1, channels: [8, 16] },
    stage3: { modules: 1, blocks: 1, channels: [8, 16, 32] },
    stage4: { modules: 1, blocks: 1, channels: [8, 16, 32, 64] },
  },
  context: contextConfig('ocr', { channels: 16, keyChannels: 16 }),
  classes: 5,
  alignCorners: true,
  normalisation: imageNetNormalisation,
} satisfies SegmenterConfig;

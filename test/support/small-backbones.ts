import { hrNetConfigs } from '../../lib/models/backbones/hrnet.js';
import type { BackboneConfig } from '../../lib/models/backbones/index.js';
import { mobileNetV2Config } from '../../lib/models/backbones/mobilenet-v2.js';
import { resNetConfig } from '../../lib/models/backbones/resnet.js';

/** One of each family, as small as it gets. */
export const smallBackbones = {
  ResNet: { ...resNetConfig('resnet18', { outputStride: 16 }), blocks: [1, 1, 1, 1] },
  HRNet: hrNetConfigs['hrnet-w18-small'],
  MobileNetV2: mobileNetV2Config({ widthMultiplier: 0.25, outputStride: 16 }),
} satisfies Record<string, BackboneConfig>;

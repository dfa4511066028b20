import { contextConfig } from '../../lib/models/contexts/defaults.js';
import type { ModuleSize } from '../../lib/models/contexts/index.js';
import { imageNetNormalisation } from '../../lib/models/normalisation.js';
import { modelConfig } from '../../lib/models/registry.js';
import { paperSize } from '../contexts/modules.js';
import type { NamedNetwork, PictureSize } from './network-case.js';
import type { RegionSize } from './operation-case.js';

/** A network at one size. */
export interface SizedNetwork {
  readonly network: NamedNetwork;
  readonly size: PictureSize;
}

/** What the suite works on. */
export interface SuiteSizes {
  readonly module: ModuleSize;
  /** Of a module's representation; by default the paper's 512. */
  readonly moduleChannels?: number;
  readonly regions: readonly RegionSize[];
  /** Memory that an operation goes around in, so that the GPU's L2 does not hold it. */
  readonly rotatedBytes: number;
  readonly networks: readonly SizedNetwork[];
  readonly training: readonly SizedNetwork[];
  /** Compared with the processor, which has to compute them too. */
  readonly checkedModule: ModuleSize;
  readonly checkedNetworks: readonly SizedNetwork[];
  readonly checkedTraining: readonly SizedNetwork[];
  /** Milliseconds that a round of one side takes at least, and rounds. */
  readonly roundMs: number;
  readonly rounds: number;
}

const named = (name: string): NamedNetwork => ({ name, config: modelConfig(name) });

const at = (network: NamedNetwork, batch: number, height: number, width: number): SizedNetwork => ({
  network,
  size: { batch, height, width },
});

const region = { batch: 1, height: 128, width: 128, channels: 512, keyChannels: 256, classes: 19 };

export const fullSizes: SuiteSizes = {
  module: paperSize,
  regions: [region, { ...region, classes: 171 }, { ...region, height: 256, width: 512 }],
  rotatedBytes: 400e6,
  networks: [
    at(named('ocrnet-hrnet-w48'), 1, 1024, 2048),
    at(named('ocrnet-resnet101'), 1, 1024, 2048),
    at(named('ocrnet-mobilenet-v2'), 1, 1024, 2048),
  ],
  training: [at(named('ocrnet-resnet101'), 8, 769, 769)],
  checkedModule: { ...paperSize, channels: 256, height: 33, width: 47 },
  checkedNetworks: [
    at(named('ocrnet-hrnet-w18-small'), 2, 128, 256),
    at(named('ocrnet-mobilenet-v2'), 1, 129, 257),
    at(named('ocrnet-resnet101'), 1, 129, 129),
    at(named('ocrnet-hrnet-w48'), 1, 256, 512),
  ],
  checkedTraining: [
    at(named('ocrnet-hrnet-w18-small'), 2, 128, 128),
    at(named('ocrnet-resnet18'), 2, 97, 97),
  ],
  roundMs: 100,
  rounds: 5,
};

/** An HRNet with few channels: every kind of layer, and quick where each thread of a GPU is emulated. */
export const smallNetwork = {
  name: 'small network',
  config: {
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
  },
} satisfies NamedNetwork;

/** For the dry run: what takes the script through all of its ways, and measures nothing. */
export const emulatedSizes: SuiteSizes = {
  module: { batch: 1, channels: 16, height: 6, width: 5, classes: 3 },
  moduleChannels: 8,
  regions: [{ batch: 1, height: 6, width: 5, channels: 16, keyChannels: 8, classes: 3 }],
  rotatedBytes: 10e3,
  networks: [at(smallNetwork, 1, 33, 33)],
  training: [at(smallNetwork, 2, 33, 33)],
  checkedModule: { batch: 1, channels: 16, height: 6, width: 5, classes: 3 },
  checkedNetworks: [at(smallNetwork, 1, 33, 49)],
  checkedTraining: [at(smallNetwork, 2, 33, 33)],
  roundMs: 1,
  rounds: 1,
};

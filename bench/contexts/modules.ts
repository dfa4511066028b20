import type { ContextKind, ModuleSize } from '../../lib/models/contexts/index.js';

/** A row of the paper's Table 4: one module on 1×2048×128×128, inference in float32 on an NVIDIA P40. */
export interface PaperRow {
  readonly parameters: number;
  /** The printed "M", taken as MiB. */
  readonly memoryBytes: number;
  /** 2 × multiply-adds. */
  readonly flops: number;
  readonly ms: number;
}

export interface ContextModule {
  /** As the paper prints it. */
  readonly name: string;
  readonly kind: ContextKind;
  readonly paper: PaperRow;
}

function row(
  name: string,
  kind: ContextKind,
  [millions, mebibytes, gigaflops, ms]: readonly [number, number, number, number],
): ContextModule {
  // Rounded: 10.6 × 10⁶ is no integer in floating point.
  const parameters = Math.round(millions * 1e6);
  return {
    name,
    kind,
    paper: { parameters, memoryBytes: mebibytes * 2 ** 20, flops: gigaflops * 1e9, ms },
  };
}

/** The modules of Table 4, in its order. */
export const contextModules: readonly ContextModule[] = [
  row('PPM', 'ppm', [23.1, 792, 619, 99]),
  row('ASPP', 'aspp', [15.5, 284, 492, 97]),
  row('DANet', 'danet', [10.6, 2339, 1110, 121]),
  row('CC-Attention', 'cc-attention', [10.6, 427, 804, 131]),
  row('Self-Attention', 'self-attention', [10.5, 2168, 619, 96]),
  row('Double Attention', 'double-attention', [10.2, 209, 338, 46]),
  row('OCR', 'ocr', [10.5, 202, 340, 45]),
];

/** The input of Table 4; the paper's regions are Cityscapes' 19 classes. */
export const paperSize: ModuleSize = { batch: 1, channels: 2048, height: 128, width: 128, classes: 19 };

/** N×C×H×W. */
export const formatInput = ({ batch, channels, height, width }: Omit<ModuleSize, 'classes'>): string =>
  [batch, channels, height, width].join('×');

const all: readonly ContextKind[] = contextModules.map(({ kind }) => kind);

/** Cells of Table 4 that cannot be reproduced, and why. */
export const unreproducible: readonly {
  readonly kinds: readonly ContextKind[];
  readonly cells: string;
  readonly reason: string;
}[] = [
  {
    kinds: ['danet'],
    cells: 'DANet, 10.6 M parameters',
    reason:
      'its 1110 GFLOP take the full original head, two 3×3 convolutions from 2048 to 512 channels and two from 512 to 512, ' +
      'which holds 23.9 M parameters; no head of 10.6 M does that many operations',
  },
  {
    kinds: ['cc-attention'],
    cells: 'CC-Attention, 10.6 M parameters',
    reason:
      'its 804 GFLOP take the full original head, 3×3 convolutions from 2048 to 512, from 512 to 512 and from 2560 to 512 ' +
      'channels, which holds 23.9 M parameters; no head of 10.6 M does that many operations',
  },
  {
    kinds: ['double-attention'],
    cells: 'Double Attention, 10.2 M parameters',
    reason: 'the form that needs the printed 338 GFLOP (256 reduced channels, K = 64, concat) has 10.29 M',
  },
  {
    kinds: ['ocr'],
    cells: 'OCR, 340 GFLOP',
    reason:
      'reached only as the paper counts, with δ and ρ over all pixels; δ acts on one vector for each class, so that 335.6 are computed',
  },
  {
    kinds: all,
    cells: 'All modules, memory',
    reason:
      'the paper’s is what the allocator of a GPU framework held, each intermediate map in memory of its own; here a plan fuses ' +
      'operations and places maps over one another',
  },
  {
    kinds: all,
    cells: 'All modules, time',
    reason: 'the paper’s is that of an NVIDIA P40; of two machines only the order can be compared',
  },
];

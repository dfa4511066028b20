import { OcrnetError } from '../../lib/errors.js';
import { fitPowerLaw, type PowerLaw } from '../power-law.js';
import type { About } from './about.js';
import { type MeasureOptions, type ModuleResult, measureModule, type PyTorchResult } from './measure.js';
import type { ContextModule } from './modules.js';

export interface ScalingOptions extends Omit<MeasureOptions, 'size' | 'form' | 'limitMs'> {
  readonly form: 'algebra' | 'plain';
  /** Sides of square features, ascending. */
  readonly sides: readonly number[];
  readonly channels: number;
  readonly classes: number;
  /** The most that one run may take: where it takes longer, no larger size is tried. */
  readonly limitMs: number;
  /** Told each size before it is measured. */
  readonly onSide?: (side: number) => void;
}

/** One size. Memory is beyond the input and the weights. */
export interface ScalingPoint extends Measured {
  readonly side: number;
  readonly pixels: number;
  readonly plannedBytes: number;
  readonly pytorch?: Measured & Pick<PyTorchResult, 'layout' | 'relativeError'>;
}

export interface Measured {
  readonly medianMs: number;
  readonly measuredBytes: number;
}

/** Where and how results came about. */
export interface ScalingAbout extends About {
  /** The most that one run may take. */
  readonly limitMs: number;
}

/** Growth with the number of pixels, over the upper half of the sizes that ran. */
export interface Growth {
  readonly time?: PowerLaw;
  readonly memory?: PowerLaw;
}

export interface ScalingResult {
  readonly module: string;
  readonly kind: ContextModule['kind'];
  readonly channels: number;
  readonly points: readonly ScalingPoint[];
  readonly exponents: { readonly ours: Growth; readonly pytorch?: Growth };
  /** The sizes that did not run, and why. */
  readonly skipped: readonly string[];
}

/** Measures one module at each size up to the first that takes too long or too much. What did not run is not guessed. */
export async function measureScaling(
  module: ContextModule,
  options: ScalingOptions,
  measure = measureModule,
): Promise<ScalingResult> {
  const { sides, channels, classes, onSide, ...rest } = options;
  const points: ScalingPoint[] = [];
  const skipped: string[] = [];
  let { python } = options;
  for (const side of sides) {
    onSide?.(side);
    const size = { batch: 1, height: side, width: side, channels, classes };
    try {
      const result = await measure(module, { ...rest, python, size });
      points.push(pointOf(side, result));
      if (result.skipped === undefined) continue;
      skipped.push(`${side}² and more in PyTorch: ${result.skipped}`);
      python = undefined;
    } catch (error) {
      if (!(error instanceof OcrnetError)) throw error;
      skipped.push(`${side}² and more: ${error.message}`);
      break;
    }
  }
  const { name, kind } = module;
  return { module: name, kind, channels, points, exponents: exponentsOf(points), skipped };
}

function pointOf(side: number, result: ModuleResult): ScalingPoint {
  const { medianMs, plannedBytes, measuredBytes, pytorch } = result;
  return {
    ...{ side, pixels: side * side, medianMs, plannedBytes, measuredBytes },
    ...(pytorch && {
      pytorch: {
        medianMs: pytorch.medianMs,
        measuredBytes: pytorch.measuredBytes,
        layout: pytorch.layout,
        relativeError: pytorch.relativeError,
      },
    }),
  };
}

function exponentsOf(points: readonly ScalingPoint[]): ScalingResult['exponents'] {
  const theirs = points.flatMap(({ pixels, pytorch }) => (pytorch ? [{ pixels, ...pytorch }] : []));
  return { ours: growthOf(points), ...(theirs.length > 0 && { pytorch: growthOf(theirs) }) };
}

function growthOf(points: readonly (Measured & { readonly pixels: number })[]): Growth {
  const time = fitPowerLaw(points.map(({ pixels, medianMs }) => ({ x: pixels, y: medianMs })));
  const memory = fitPowerLaw(points.map(({ pixels, measuredBytes }) => ({ x: pixels, y: measuredBytes })));
  return { ...(time && { time }), ...(memory && { memory }) };
}

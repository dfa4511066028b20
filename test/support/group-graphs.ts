import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Value } from '../../lib/ir/graph.js';
import type { Activation } from '../../lib/ops/epilogue.js';
import { allReduce, batchNormGradient, batchNormTraining, conv2dMoments } from '../../lib/ops/index.js';

const float = (shape: readonly number[]) => ({ dataType: 'float32', shape }) as const;

/** Sum or mean of a vector over the members of a group. */
export function sumGraph(count: number, average = false): Graph {
  const graph = new GraphBuilder('sum');
  const x = graph.input('x', float([count]));
  graph.output('y', graph.add(allReduce, { x }, { average }).y);
  return graph.build();
}

export interface NormCase {
  readonly activation: Activation;
  readonly residual: boolean;
  /** Whether the batch norm has its moments from a convolution, of the input "x" with the input "filter", (C, 1, 1, C). */
  readonly moments?: boolean;
}

/** Forward and backward of one batch norm, for a batch or a part of one. */
export function normGraph(
  shape: readonly [number, number, number, number],
  { synchronised, activation, residual, moments = false }: NormCase & { readonly synchronised: boolean },
): Graph {
  const graph = new GraphBuilder('norm');
  const [given, dy] = [graph.input('x', float(shape)), graph.input('dy', float(shape))];
  const found = moments ? convolved(graph, given) : undefined;
  const x = found?.y ?? given;
  const vector = (name: string) => graph.input(name, float([shape[3]]));
  const [weight, bias] = [vector('weight'), vector('bias')];
  const [runningMean, runningVariance] = [vector('runningMean'), vector('runningVariance')];
  const other: Value | undefined = residual ? graph.input('residual', float(shape)) : undefined;
  const after = { activation, negativeSlope: 0.1 };
  const { y, mean, inverseDeviation, newRunningMean, newRunningVariance } = graph.add(
    batchNormTraining,
    {
      ...{ x, weight, bias, runningMean, runningVariance, residual: other },
      ...{ means: found?.means, squares: found?.squares },
    },
    { epsilon: 1e-5, momentum: 0.3, frozen: false, synchronised, recoversInput: false, ...after },
  );
  const { dx, dWeight, dBias, dResidual } = graph.add(
    batchNormGradient,
    { dy, weight, bias, mean, inverseDeviation, x, y },
    { frozen: false, synchronised, ...after },
  );
  const outputs = { y, mean, inverseDeviation, newRunningMean, newRunningVariance, dx, dWeight, dBias };
  for (const [name, value] of Object.entries({ ...outputs, dResidual })) graph.output(name, value);
  return graph.build();
}

function convolved(graph: GraphBuilder, x: Value) {
  const channels = x.type.shape[3] as number;
  const filter = graph.input('filter', float([channels, 1, 1, channels]));
  return graph.add(conv2dMoments, { x, filter }, { stride: 1, padding: 0, dilation: 1, groups: 1 });
}

/** The filter with which a convolution changes nothing. */
export const identityFilter = (channels: number): Float32Array =>
  Float32Array.from({ length: channels * channels }, (_, i) => (i % (channels + 1) === 0 ? 1 : 0));

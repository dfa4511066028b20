import { compile, type LowerOptions } from '../compile/compile.js';
import { bytesMovedBy } from '../compile/cost.js';
import type { Precision } from '../compile/passes/assign-precision.js';
import { abstractTarget, type Target } from '../compile/target.js';
import { flopsOf, type Graph, type Parameter, storedParameters } from '../ir/graph.js';
import { byteLength, elementCount, type Shape } from '../ir/tensor-type.js';

export interface SummaryOptions extends LowerOptions {
  /** The device whose algorithms and scratch memory count; by default none in particular. */
  readonly target?: Target;
  readonly precision?: Precision;
}

/** One part of a network: what stands under one path, as "backbone.layer1". */
export interface StageSummary {
  readonly path: string;
  /** Of the last activation that the stage computes, (N, H, W, C). */
  readonly shape: Shape;
  readonly parameters: number;
  /** Floating-point operations, a multiply-add counted as two. */
  readonly flops: number;
  readonly bytesMoved: number;
}

/** What a network costs at one input size, known before anything runs. */
export interface Summary {
  readonly stages: readonly StageSummary[];
  /** Trainable numbers. */
  readonly parameters: number;
  readonly flops: number;
  /** Those that are left after the compiler's algebra. */
  readonly executedFlops: number;
  readonly bytesMoved: number;
  /** Of the parameters in float32, running statistics included. */
  readonly weightBytes: number;
  /** Activations and scratch memory of one run, as planned. */
  readonly arenaBytes: number;
  readonly steps: readonly {
    readonly path: string;
    readonly operation: string;
    readonly algorithm: string;
  }[];
}

/** Counts parameters, operations and memory of a graph. */
export function summarise(graph: Graph, options: SummaryOptions = {}): Summary {
  const { target = abstractTarget, precision = 'float32', algebra = true } = options;
  const { arenaBytes, steps, cost, executedFlops } = compile(graph, { target, precision, algebra });
  return {
    stages: stagesOf(graph),
    ...cost,
    executedFlops,
    weightBytes: storedParameters(graph).reduce((sum, { value }) => sum + byteLength(value.type), 0),
    arenaBytes,
    steps: steps.map(({ node, algorithm }) => ({ path: node.path, operation: node.spec.name, algorithm })),
  };
}

/** Groups nodes and parameters by the first two parts of their paths, in the order in which they run. */
function stagesOf(graph: Graph): StageSummary[] {
  const trainable = storedParameters(graph).filter(
    ({ source }) => source.kind === 'stored' && source.trainable,
  );
  const paths = [...new Set(graph.nodes.map(({ path }) => stageOf(path)))];
  return paths.map((path) => {
    const nodes = graph.nodes.filter((node) => stageOf(node.path) === path);
    const last = Object.values(nodes.at(-1)?.outputs ?? {})[0];
    return {
      path,
      shape: last?.type.shape ?? [],
      parameters: trainable
        .filter(({ name }) => stageOf(scopeOf(name)) === path)
        .reduce((sum, { value }: Parameter) => sum + elementCount(value.type.shape), 0),
      flops: nodes.reduce((sum, node) => sum + flopsOf(node), 0),
      bytesMoved: nodes.reduce((sum, node) => sum + bytesMovedBy(node), 0),
    };
  });
}

const scopeOf = (parameterName: string): string => parameterName.split('.').slice(0, -1).join('.');
const stageOf = (path: string): string =>
  path === ''
    ? 'input'
    : path
        .split('.')
        .slice(0, path.startsWith('backbone') ? 2 : 1)
        .join('.');

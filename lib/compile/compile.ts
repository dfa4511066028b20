import type { Graph } from '../ir/graph.js';
import { verify } from '../ir/verify.js';
import { type Cost, costOf, totalFlops } from './cost.js';
import { assignPrecision, type Precision } from './passes/assign-precision.js';
import { cutTaps } from './passes/cut-taps.js';
import { eliminateDead } from './passes/eliminate-dead.js';
import { foldAffine } from './passes/fold-affine.js';
import { fuseActivation, fuseResidual } from './passes/fuse-epilogue.js';
import { joinPointwise } from './passes/join-pointwise.js';
import { orderNodes } from './passes/order-nodes.js';
import { projectBeforeMixing } from './passes/project-before-mixing.js';
import { splitConvolutions } from './passes/split-convolutions.js';
import { type Plan, plan } from './plan.js';
import type { Target } from './target.js';

export interface CompileOptions extends LowerOptions {
  readonly target: Target;
  readonly precision: Precision;
}

export interface LowerOptions {
  /** Whether convolutions may become others that need less work or memory: sums over parts, fewer taps. By default they may. */
  readonly algebra?: boolean;
}

export interface Compiled extends Plan {
  /** The network after the passes, that of the target included. */
  readonly graph: Graph;
  /** Of the network as it was given. */
  readonly cost: Cost;
  /** Floating-point operations of the network after the passes, as direct algorithms would do them. */
  readonly executedFlops: number;
}

/**
 * The compiler's table of contents. Every pass is a pure function from a valid graph to a valid graph that computes the
 * same up to rounding; the order is one in which each finds what the ones before it leave.
 */
export const inferencePasses: readonly (readonly [
  name: string,
  pass: (graph: Graph, precision: Precision) => Graph,
  kind?: 'algebra',
])[] = [
  // Only what an output needs.
  ['eliminate-dead', eliminateDead],
  // No batch norm is left; convolutions have biases.
  ['fold-affine', foldAffine],
  // No filter reaches beyond its map. Before what asks how large filters are.
  ['cut-taps', cutTaps, 'algebra'],
  // Convolutions of what was put side by side are sums. Wants folded batch norms, leaves additions.
  ['split-convolutions', splitConvolutions, 'algebra'],
  // Two pointwise convolutions in a row are one. After those of a concat meet what made its parts.
  ['join-pointwise', joinPointwise, 'algebra'],
  // Pointwise convolutions after attention act on regions, not on pixels. Wants folded batch norms.
  ['project-before-mixing', projectBeforeMixing],
  // Sums are residuals of what computes one of their terms. Before activations, which come after residuals.
  ['fuse-residual', fuseResidual],
  ['fuse-activation', fuseActivation],
  // Every activation has its final element type. Late, for casts would hide what the others look for.
  ['assign-precision', assignPrecision],
  // Nodes stand where they need the least memory. Last, for it counts bytes.
  ['order-nodes', orderNodes],
];

/** The network as a device runs it: the passes, verified after each. */
export function lower(graph: Graph, precision: Precision, { algebra = true }: LowerOptions = {}): Graph {
  verify(graph);
  return inferencePasses.reduce((current, [name, pass, kind]) => {
    if (kind === 'algebra' && !algebra) return current;
    const next = pass(current, precision);
    verify(next, name);
    return next;
  }, graph);
}

/** Plans a graph that has been through its passes, as those of training are, but for what the target wants. */
export function compilePrepared(graph: Graph, target: Target): Compiled {
  verify(graph);
  return planFor(graph, target, costOf(graph));
}

/** From a network to a plan for one device. */
export function compile(graph: Graph, { target, precision, ...options }: CompileOptions): Compiled {
  return planFor(lower(graph, precision, options), target, costOf(graph));
}

function planFor(graph: Graph, target: Target, cost: Cost): Compiled {
  const prepared = target.prepare?.(graph) ?? graph;
  if (prepared !== graph) verify(prepared, `what ${target.name} wants`);
  return { ...plan(prepared, target), graph: prepared, cost, executedFlops: totalFlops(prepared) };
}

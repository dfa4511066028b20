import type { Graph, Node } from '../ir/graph.js';
import type { PlanLayout } from './encode.js';

/** What a device says about one step: the algorithm that it will run and the scratch memory for it. */
export interface Inspection {
  readonly algorithm: number;
  readonly name: string;
  readonly scratchBytes: number;
}

/** A device's abilities as the compiler needs them: injected, so that compiling runs and is tested without a device. */
export interface Target {
  readonly name: string;
  /** Why the device cannot run a node; undefined where it can. */
  unsupported(node: Node): string | undefined;
  /** Whether reading or writing this operand as a channel slice of a wider tensor costs nothing. The spec allows it. */
  slicesFreely(node: Node, operand: string): boolean;
  /** What the device wants of a graph that has been through its passes, before it is planned: passes of its own. */
  prepare?(graph: Graph): Graph;
  /** Asks about each step of a plan whose algorithms are unchosen. */
  inspect(layout: PlanLayout): readonly Inspection[];
}

/** A device of no particular kind: every operation as specified, no scratch memory. For planning without a device. */
export const abstractTarget: Target = {
  name: 'abstract',
  unsupported: ({ spec }) => (spec.facts.compiledAway ? 'it is always compiled away' : undefined),
  slicesFreely: () => true,
  inspect: () => [],
};

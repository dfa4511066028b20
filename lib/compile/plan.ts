import { OcrnetError } from '../errors.js';
import { type Graph, type Node, stateValues, type Value } from '../ir/graph.js';
import { elementCount } from '../ir/tensor-type.js';
import { assignBuffers, type Buffer, type Place, sliceOfInput } from './buffers.js';
import { encodePlan, type PlanLayout, type PlannedStep, type PlannedTensor, unchosen } from './encode.js';
import { type Lifetime, type Placement, placeLifetimes } from './memory.js';
import { placeState, type StatePlace } from './state.js';
import type { Inspection, Target } from './target.js';

/** A plan and what is known of it. */
export interface Plan {
  readonly layout: PlanLayout;
  /** Encoded, for the device. */
  readonly bytes: Uint8Array;
  readonly steps: readonly PlanStep[];
  /** Activations and scratch: the one block of memory that the plan runs in. */
  readonly arenaBytes: number;
  /** The least that any placement of these lifetimes could need. */
  readonly arenaLowerBoundBytes: number;
}

export interface PlanStep {
  readonly node: Node;
  /** The device's name for what it runs. */
  readonly algorithm: string;
  readonly scratchBytes: number;
}

/**
 * Gives every value an address and every step an algorithm. Two rounds: scratch memory depends on the algorithm, which the
 * device chooses when it has seen shapes and strides.
 */
export function plan(graph: Graph, target: Target): Plan {
  for (const node of graph.nodes) {
    const reason = node.spec.facts.joins ? undefined : target.unsupported(node);
    if (reason !== undefined)
      throw new OcrnetError(
        'UNSUPPORTED',
        `${node.path}: the device ${target.name} cannot run ${node.spec.name}: ${reason}`,
      );
  }
  const draft = new Draft(graph, target);
  const inspections = target.inspect(draft.layout([], draft.placement([])));
  const placement = draft.placement(inspections);
  const layout = draft.layout(inspections, placement);
  return {
    layout,
    bytes: encodePlan(layout),
    steps: draft.nodes.map((node, i) => ({
      node,
      algorithm: inspections[i]?.name ?? target.name,
      scratchBytes: inspections[i]?.scratchBytes ?? 0,
    })),
    arenaBytes: layout.arenaBytes,
    arenaLowerBoundBytes: placement.lowerBoundBytes,
  };
}

/** What both rounds share: who shares memory with whom, and which steps are left. */
class Draft {
  readonly nodes: readonly Node[];
  readonly #graph: Graph;
  readonly #places: Map<Value, Place>;
  readonly #buffers: readonly Buffer[];
  readonly #outside: ReadonlyMap<Value, Outside>;
  readonly #values: readonly Value[];

  constructor(graph: Graph, target: Target) {
    requireSimpleInterface(graph);
    this.#graph = graph;
    const inState = placeState(graph);
    this.#places = assignBuffers(graph, target, inState);
    this.#outside = outsideOf(graph, inState);
    const buffers = [...this.#places.values()].map(({ buffer }) => buffer);
    this.#buffers = [...new Set(buffers)].filter(({ output }) => output === undefined);
    this.nodes = graph.nodes.filter((node) => !isDone(node, this.#places));
    const used = new Set(
      this.nodes.flatMap((node) => [...Object.values(node.inputs), ...Object.values(node.outputs)]),
    );
    const leaves = [...graph.inputs, ...graph.parameters].map(({ value }) => value);
    // Computed values that nobody reads have no place: they are absent.
    this.#values = [...new Set([...leaves, ...used])].filter(
      (value) => this.#places.has(value) || this.#outside.has(value),
    );
  }

  placement(inspections: readonly Inspection[]): Placement {
    return placeLifetimes([...this.#lifetimes(), ...this.#scratch(inspections)]);
  }

  layout(inspections: readonly Inspection[], { offsets, arenaBytes }: Placement): PlanLayout {
    const bufferAt = new Map(this.#buffers.map((buffer, i) => [buffer, offsets[i] as number]));
    const indexOf = new Map(this.#values.map((value, i) => [value, i]));
    const bind = (list: readonly { name: string; value: Value }[]) =>
      list.map(({ name, value }) => ({ name, tensor: indexOf.get(value) as number }));
    const { inputs, parameters, outputs, states } = this.#graph;
    return {
      arenaBytes,
      tensors: this.#values.map((value) => this.#tensor(value, bufferAt)),
      parameters: bind(parameters),
      inputs: bind(inputs),
      outputs: bind(outputs),
      states: states.map(({ name, value }) => ({ name, elements: elementCount(value.type.shape) })),
      steps: this.nodes.map((node, i) =>
        plannedStep(node, indexOf, inspections[i], offsets[this.#buffers.length + i]),
      ),
    };
  }

  /** From the first write of any value of the buffer to the last read. */
  #lifetimes(): Lifetime[] {
    const first = new Map<Value, number>();
    const last = new Map<Value, number>();
    this.nodes.forEach((node, step) => {
      for (const value of Object.values(node.outputs)) {
        first.set(value, step);
        last.set(value, step);
      }
      for (const value of Object.values(node.inputs)) last.set(value, step);
    });
    return this.#buffers.map(({ bytes, values }) => ({
      bytes,
      start: Math.min(...values.map((value) => first.get(value) ?? Number.POSITIVE_INFINITY)),
      end: Math.max(...values.map((value) => last.get(value) ?? 0)),
    }));
  }

  #scratch(inspections: readonly Inspection[]): Lifetime[] {
    return this.nodes.map((_, step) => ({
      bytes: inspections[step]?.scratchBytes ?? 0,
      start: step,
      end: step,
    }));
  }

  #tensor(value: Value, bufferAt: ReadonlyMap<Buffer, number>): PlannedTensor {
    const place = this.#places.get(value);
    const within = place?.buffer.output;
    if (place && !within) {
      const offset = (bufferAt.get(place.buffer) as number) + place.offset;
      return { type: value.type, storage: 'arena', index: 0, offset, pixelStride: place.pixelStride };
    }
    const outside = this.#outside.get(within ?? value) as Outside;
    return { type: value.type, ...outside, pixelStride: value.type.shape.at(-1) as number };
  }
}

/** Where a value lies that is not in the arena: which list of the graph, and its position there. */
type Outside = Pick<PlannedTensor, 'storage' | 'index' | 'offset'>;

function outsideOf(
  { inputs, parameters, outputs }: Graph,
  inState: ReadonlyMap<Value, StatePlace>,
): Map<Value, Outside> {
  const entries = (storage: Outside['storage'], list: readonly { value: Value }[]) =>
    list.map(({ value }, index) => [value, { storage, index, offset: 0 }] as const);
  return new Map<Value, Outside>([
    ...[...inState].map(
      ([value, { block, offset }]) => [value, { storage: 'state', index: block, offset }] as const,
    ),
    ...entries('parameter', parameters),
    ...entries('input', inputs),
    ...entries('output', outputs),
  ]);
}

function plannedStep(
  node: Node,
  indexOf: ReadonlyMap<Value, number>,
  inspection: Inspection | undefined,
  scratchOffset = 0,
): PlannedStep {
  const { spec } = node;
  const tensor = (value: Value | undefined) => (value === undefined ? undefined : indexOf.get(value));
  return {
    spec,
    path: node.path,
    inputs: [...spec.inputs, ...spec.optionalInputs].map((name) => tensor(node.inputs[name])),
    outputs: spec.outputs.map((name) => tensor(node.outputs[name])),
    attributes: node.attributes,
    algorithm: inspection?.algorithm ?? unchosen,
    scratchOffset: inspection?.scratchBytes ? scratchOffset : 0,
    scratchBytes: inspection?.scratchBytes ?? 0,
  };
}

/** A join, a concat all of whose parts were written in place, or a slice that is read in place: nothing is left to do. */
function isDone(node: Node, places: ReadonlyMap<Value, Place>): boolean {
  if (node.spec.facts.joins) return true;
  if (node.spec.facts.slicesChannels) {
    const [place, slice] = [places.get(node.outputs.y as Value), sliceOfInput(node, places)];
    return (
      place !== undefined &&
      place.buffer === slice?.buffer &&
      place.offset === slice.offset &&
      place.pixelStride === slice.pixelStride
    );
  }
  if (!node.spec.facts.concatenatesChannels) return false;
  const whole = places.get(node.outputs.y as Value)?.buffer;
  return (
    whole !== undefined && Object.values(node.inputs).every((part) => places.get(part)?.buffer === whole)
  );
}

/** Each output is computed by a node, and no two are the same value: it has one place in the caller's memory. */
function requireSimpleInterface(graph: Graph): void {
  const seen = new Set<Value>(
    [...graph.inputs, ...graph.parameters]
      .map(({ value }) => value)
      .concat(stateValues(graph), graph.updates),
  );
  for (const { name, value } of graph.outputs) {
    if (seen.has(value))
      throw new OcrnetError(
        'INVALID_GRAPH',
        `Output "${name}" is an input, a parameter, state or another output: it must be computed by a node of its own`,
      );
    seen.add(value);
  }
}

import { OcrnetError } from '../errors.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { byteLength } from '../ir/tensor-type.js';

/** Where in the device's state a value lies. */
export interface StatePlace {
  /** Index in the graph's states. */
  readonly block: number;
  /** Bytes from the start of the block. */
  readonly offset: number;
}

/**
 * The values that lie in state blocks: the blocks and their parts, what steps write over them, and joins of values that lie
 * one behind the other there already.
 */
export function placeState(graph: Graph): Map<Value, StatePlace> {
  const places = new Map<Value, StatePlace>();
  graph.states.forEach(({ value, parts }, block) => {
    places.set(value, { block, offset: 0 });
    for (const part of parts) places.set(part.value, { block, offset: part.offset * 4 });
  });
  const kept = new Set(graph.updates);
  const read = new Set(graph.nodes.flatMap((node) => Object.values(node.inputs)));
  for (const node of graph.nodes) {
    for (const [output, input] of Object.entries(node.spec.facts.updates ?? {})) {
      const value = node.outputs[output] as Value;
      if (!kept.has(value) && !read.has(value)) continue;
      places.set(value, requirePlace(places.get(node.inputs[input] as Value), node, input));
    }
    const joined = node.spec.facts.joins && placeOfJoined(node, places);
    if (joined) places.set(node.outputs.y as Value, joined);
  }
  return places;
}

function requirePlace(place: StatePlace | undefined, { path, spec }: Node, input: string): StatePlace {
  if (place) return place;
  throw new OcrnetError('INVALID_GRAPH', `${path}: ${spec.name} updates "${input}", which is no state`);
}

function placeOfJoined(join: Node, places: ReadonlyMap<Value, StatePlace>): StatePlace | undefined {
  const parts = Object.values(join.inputs);
  const first = places.get(parts[0] as Value);
  if (!first) return undefined;
  let end = first.offset;
  for (const part of parts) {
    const place = places.get(part);
    if (place?.block !== first.block || place.offset !== end) return undefined;
    end += byteLength(part.type);
  }
  return first;
}

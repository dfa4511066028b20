import { OcrnetError } from '../errors.js';
import { type Graph, type Node, producersOf, readersOf, type Value } from '../ir/graph.js';
import { byteLength, bytesPerElement, sameShape } from '../ir/tensor-type.js';
import type { Target } from './target.js';

/** Memory that one value, or several that share it, occupy: in the arena, or in that of one of the graph's outputs. */
export interface Buffer {
  readonly bytes: number;
  readonly values: Value[];
  /** The output that is written over it at last. */
  output?: Value;
}

/** Where a value lies in its buffer: from the start, as a channel slice of a wider tensor, or as a part of a join. */
export interface Place {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly pixelStride: number;
}

/**
 * Decides which values share memory before any address is known: the parts of a concat are written where the concat wants
 * them, the parts of a join one behind the other, slices of channels are read where they are, and an operation takes over
 * the memory of the input that it may overwrite.
 * `inState` are values that lie in the device's state.
 */
export function assignBuffers(
  graph: Graph,
  target: Target,
  inState: ReadonlyMap<Value, unknown>,
): Map<Value, Place> {
  const analysis = analyse(graph, inState);
  const slices = findSlices(graph, target, analysis);
  const parts = new Map<Value, Part>([...slices, ...findJoined(graph, analysis)]);
  const places = new Map<Value, Place>();
  // Parts of a concat come before it in the graph: their buffer is made when the first of them is.
  const place = (value: Value, node: Node): Place => {
    const known = places.get(value);
    if (known) return known;
    const part = parts.get(value);
    const made = part
      ? partOf(place(part.whole, part.node), part)
      : (viewed(node, value, analysis, target, places) ??
        takenOver(node, value, analysis, parts, places) ??
        ownBuffer(value));
    made.buffer.values.push(value);
    places.set(value, made);
    return made;
  };
  for (const node of graph.nodes)
    for (const value of Object.values(node.outputs))
      if (analysis.readers.has(value) && !analysis.external.has(value)) place(value, node);
  useOutputs(graph, analysis, parts, places);
  return places;
}

/**
 * The memory of an output is there anyway. What the output is written over lies in it from the start, instead of in the arena,
 * and before that others of its type, those that live longest.
 */
function useOutputs(
  graph: Graph,
  analysis: Analysis,
  parts: ReadonlyMap<Value, Part>,
  places: ReadonlyMap<Value, Place>,
): void {
  const buffers = [...new Set([...places.values()].map(({ buffer }) => buffer))]
    .map((buffer) => ({ buffer, ...lifetimeOf(buffer, analysis) }))
    .sort((a, b) => b.end - b.start - (a.end - a.start));
  for (const { value } of graph.outputs) {
    const node = analysis.producers.get(value);
    if (!node) continue;
    const fits = (other: Value): boolean => {
      const { offset, pixelStride } = places.get(other) as Place;
      const { type } = other;
      const dense = offset === 0 && pixelStride === type.shape.at(-1);
      return dense && type.dataType === value.type.dataType && sameShape(type.shape, value.type.shape);
    };
    const written = takenOver(node, value, analysis, parts, places)?.buffer;
    const under = buffers.find(({ buffer }) => buffer === written);
    const busy = [{ start: analysis.position.get(node) as number, end: Number.POSITIVE_INFINITY }];
    for (const one of under ? [under, ...buffers] : buffers) {
      const { buffer, start, end } = one;
      const isFree = busy.every((other) => end < other.start || other.end < start);
      if (buffer.output || !(isFree || one === under) || !buffer.values.every(fits)) continue;
      buffer.output = value;
      busy.push({ start, end });
    }
  }
}

/** The positions of the first node that writes one of its values, and of the last that reads one. */
function lifetimeOf({ values }: Buffer, { producers, readers, position }: Analysis) {
  const at = (node: Node | undefined) => (node ? (position.get(node) as number) : Number.POSITIVE_INFINITY);
  return {
    start: Math.min(...values.map((value) => at(producers.get(value)))),
    end: Math.max(...values.flatMap((value) => (readers.get(value) ?? []).map(at))),
  };
}

const ownBuffer = (value: Value): Place => ({
  buffer: { bytes: byteLength(value.type), values: [] },
  offset: 0,
  pixelStride: value.type.shape.at(-1) as number,
});

const partOf = (whole: Place, { offset, pixelStride = whole.pixelStride }: Part): Place => ({
  buffer: whole.buffer,
  offset: whole.offset + offset,
  pixelStride,
});

interface Analysis {
  readonly readers: ReadonlyMap<Value, (Node | undefined)[]>;
  readonly producers: ReadonlyMap<Value, Node>;
  readonly position: ReadonlyMap<Node, number>;
  /** Values in the caller's memory, among the parameters or in the device's state. */
  readonly external: ReadonlySet<Value>;
}

function analyse(graph: Graph, inState: ReadonlyMap<Value, unknown>): Analysis {
  const leaves = [...graph.inputs, ...graph.parameters, ...graph.outputs].map(({ value }) => value);
  return {
    readers: readersOf(graph),
    producers: producersOf(graph),
    position: new Map(graph.nodes.map((node, index) => [node, index])),
    external: new Set([...leaves, ...inState.keys()]),
  };
}

/** A value within another one, which `node` makes of it without moving it. */
interface Part {
  readonly node: Node;
  readonly whole: Value;
  /** Bytes from the start of the whole. */
  readonly offset: number;
  /** In elements; by default the whole's. */
  readonly pixelStride?: number;
}

/** The inputs of concats that can be written straight into the concat's output. */
function findSlices(
  graph: Graph,
  target: Target,
  { readers, producers, external }: Analysis,
): Map<Value, Part> {
  const slices = new Map<Value, Part>();
  for (const concat of graph.nodes) {
    if (!concat.spec.facts.concatenatesChannels) continue;
    const whole = concat.outputs.y as Value;
    let firstChannel = 0;
    for (const part of Object.values(concat.inputs)) {
      const producer = producers.get(part);
      const inPlace =
        producer !== undefined &&
        !external.has(part) &&
        !external.has(whole) &&
        !slices.has(part) &&
        !slices.has(whole) &&
        producer.spec.facts.writesSlices === true &&
        target.slicesFreely(producer, nameOf(producer.outputs, part)) &&
        (readers.get(part) ?? []).filter((reader) => reader === concat).length === 1 &&
        everyReaderSlices(part, readers, target);
      const offset = firstChannel * bytesPerElement(part.type.dataType);
      if (inPlace) slices.set(part, { node: concat, whole, offset });
      firstChannel += part.type.shape.at(-1) as number;
    }
  }
  return slices;
}

/** The inputs of joins, which are all written in place. Joins of what lies in state need nothing. */
function findJoined(graph: Graph, { producers, external }: Analysis): Map<Value, Part> {
  const joined = new Map<Value, Part>();
  for (const node of graph.nodes) {
    const whole = node.outputs.y as Value;
    if (!node.spec.facts.joins || external.has(whole)) continue;
    let offset = 0;
    for (const [name, part] of Object.entries(node.inputs)) {
      if (!producers.has(part) || external.has(part) || joined.has(part))
        throw new OcrnetError(
          'INVALID_GRAPH',
          `${node.path}: part ${name} of a join must be computed by a node, for it alone`,
        );
      joined.set(part, { node, whole, offset, pixelStride: part.type.shape.at(-1) as number });
      offset += byteLength(part.type);
    }
  }
  return joined;
}

function everyReaderSlices(part: Value, readers: Analysis['readers'], target: Target): boolean {
  return (readers.get(part) ?? []).every((reader) => {
    if (reader === undefined) return false;
    return Object.entries(reader.inputs)
      .filter(([, value]) => value === part)
      .every(([name]) => reader.spec.facts.readsSlices?.includes(name) && target.slicesFreely(reader, name));
  });
}

const nameOf = (values: Readonly<Record<string, Value>>, value: Value): string =>
  Object.entries(values).find(([, one]) => one === value)?.[0] as string;

/** Where the result of a node that slices channels lies in its input; undefined for other nodes. */
export function sliceOfInput(node: Node, places: ReadonlyMap<Value, Place>): Place | undefined {
  const x = node.spec.facts.slicesChannels && node.inputs.x;
  const whole = x && places.get(x);
  if (!whole) return undefined;
  const before = (node.attributes.first as number) * bytesPerElement(x.type.dataType);
  return { ...whole, offset: whole.offset + before };
}

/** The place of a slice that can be read where it is. */
function viewed(
  node: Node,
  value: Value,
  { readers }: Analysis,
  target: Target,
  places: ReadonlyMap<Value, Place>,
): Place | undefined {
  return everyReaderSlices(value, readers, target) ? sliceOfInput(node, places) : undefined;
}

/** The place of the input that the node may overwrite, if this is the last time anybody reads it. */
function takenOver(
  node: Node,
  value: Value,
  { readers, position, external }: Analysis,
  parts: ReadonlyMap<Value, Part>,
  places: ReadonlyMap<Value, Place>,
): Place | undefined {
  const input = node.inputs[node.spec.facts.inPlaceOf ?? ''];
  const place = input && places.get(input);
  if (!place || external.has(input) || parts.has(input)) return undefined;
  const sameType =
    input.type.dataType === value.type.dataType && sameShape(input.type.shape, value.type.shape);
  const dense = place.pixelStride === input.type.shape.at(-1);
  // Neither this input nor anything else in its buffer may be read later.
  const now = position.get(node) as number;
  const last = place.buffer.values.every((other) =>
    readers.get(other)?.every((reader) => reader !== undefined && (position.get(reader) as number) <= now),
  );
  const once =
    Object.values(node.inputs).filter((other) => places.get(other)?.buffer === place.buffer).length === 1;
  return sameType && dense && last && once ? place : undefined;
}

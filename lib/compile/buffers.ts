import { type Graph, type Node, producersOf, readersOf, type Value } from '../ir/graph.js';
import { byteLength, bytesPerElement, sameShape } from '../ir/tensor-type.js';
import type { Target } from './target.js';

/** Memory in the arena that one value, or several that share it, occupy. */
export interface Buffer {
  readonly bytes: number;
  readonly values: Value[];
}

/** Where a value lies in its buffer: from the start, or as a channel slice of a wider tensor. */
export interface Place {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly pixelStride: number;
}

/**
 * Decides which values share memory before any address is known: the parts of a concat are written where the concat wants
 * them, and an operation takes over the memory of the input that it may overwrite.
 */
export function assignBuffers(graph: Graph, target: Target): Map<Value, Place> {
  const analysis = analyse(graph);
  const slices = findSlices(graph, target, analysis);
  const places = new Map<Value, Place>();
  // Parts of a concat come before it in the graph: their buffer is made when the first of them is.
  const place = (value: Value, node: Node): Place => {
    const known = places.get(value);
    if (known) return known;
    const slice = slices.get(value);
    const made = slice
      ? sliceOf(place(slice.whole, slice.concat), slice.firstChannel * bytesPerElement(value.type.dataType))
      : (takenOver(node, value, analysis, slices, places) ?? ownBuffer(value));
    made.buffer.values.push(value);
    places.set(value, made);
    return made;
  };
  for (const node of graph.nodes)
    for (const value of Object.values(node.outputs))
      if (analysis.readers.has(value) && !analysis.external.has(value)) place(value, node);
  return places;
}

const ownBuffer = (value: Value): Place => ({
  buffer: { bytes: byteLength(value.type), values: [] },
  offset: 0,
  pixelStride: value.type.shape.at(-1) as number,
});

const sliceOf = (whole: Place, bytes: number): Place => ({ ...whole, offset: whole.offset + bytes });

interface Analysis {
  readonly readers: ReadonlyMap<Value, (Node | undefined)[]>;
  readonly producers: ReadonlyMap<Value, Node>;
  readonly position: ReadonlyMap<Node, number>;
  /** Values in the caller's memory or among the parameters. */
  readonly external: ReadonlySet<Value>;
}

function analyse(graph: Graph): Analysis {
  const leaves = [...graph.inputs, ...graph.parameters, ...graph.outputs].map(({ value }) => value);
  return {
    readers: readersOf(graph),
    producers: producersOf(graph),
    position: new Map(graph.nodes.map((node, index) => [node, index])),
    external: new Set(leaves),
  };
}

interface Slice {
  readonly concat: Node;
  readonly whole: Value;
  readonly firstChannel: number;
}

/** The inputs of concats that can be written straight into the concat's output. */
function findSlices(
  graph: Graph,
  target: Target,
  { readers, producers, external }: Analysis,
): Map<Value, Slice> {
  const slices = new Map<Value, Slice>();
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
        everyReaderSlices(part, concat, readers, target);
      if (inPlace) slices.set(part, { concat, whole, firstChannel });
      firstChannel += part.type.shape.at(-1) as number;
    }
  }
  return slices;
}

function everyReaderSlices(part: Value, concat: Node, readers: Analysis['readers'], target: Target): boolean {
  const list = readers.get(part) ?? [];
  if (list.filter((reader) => reader === concat).length !== 1) return false;
  return list.every((reader) => {
    if (reader === undefined) return false;
    return Object.entries(reader.inputs)
      .filter(([, value]) => value === part)
      .every(([name]) => reader.spec.facts.readsSlices?.includes(name) && target.slicesFreely(reader, name));
  });
}

const nameOf = (values: Readonly<Record<string, Value>>, value: Value): string =>
  Object.entries(values).find(([, one]) => one === value)?.[0] as string;

/** The place of the input that the node may overwrite, if this is the last time anybody reads it. */
function takenOver(
  node: Node,
  value: Value,
  { readers, position, external }: Analysis,
  slices: ReadonlyMap<Value, Slice>,
  places: ReadonlyMap<Value, Place>,
): Place | undefined {
  const input = node.inputs[node.spec.facts.inPlaceOf ?? ''];
  const place = input && places.get(input);
  if (!place || external.has(input) || slices.has(input)) return undefined;
  const sameType =
    input.type.dataType === value.type.dataType && sameShape(input.type.shape, value.type.shape);
  // Neither this input nor anything else in its buffer may be read later.
  const now = position.get(node) as number;
  const last = place.buffer.values.every((other) =>
    readers.get(other)?.every((reader) => reader !== undefined && (position.get(reader) as number) <= now),
  );
  const once = readers.get(input)?.filter((reader) => reader === node).length === 1;
  return sameType && last && once ? place : undefined;
}

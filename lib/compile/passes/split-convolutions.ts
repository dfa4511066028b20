import { type Graph, type Node, producersOf, readersOf, type Value } from '../../ir/graph.js';
import { erase } from '../../ir/op.js';
import { type Rewriter, rewrite } from '../../ir/rewrite.js';
import { byteLength, elementCount, pixelCount } from '../../ir/tensor-type.js';
import { noActivation } from '../../ops/epilogue.js';
import { add, concat, resizeTaps } from '../../ops/index.js';
import { asConvolution, type Convolution } from './convolution.js';
import { eliminateDead } from './eliminate-dead.js';
import { type ChannelRange, filterOfChannels, filterOfTaps } from './filter-parts.js';
import { hasActivation } from './match.js';

const addSpec = erase(add);
const concatSpec = erase(concat);
const tapsSpec = erase(resizeTaps);

// A convolution of channels side by side is the sum of the convolutions of its parts: W · (a, b) = W_a · a + W_b · b. Three
// kinds of parts are worth a term of their own.
//
//   resized   A map that was made larger just for the concat. The filter commutes with the resize: its products with each tap
//             are made at the small size, and resizeTaps sums them (PPM's pooled maps, HRNet's coarse branches; the mean of a
//             picture becomes a bias).
//   copied    What could not be computed in its place within the concat: a graph's input, a result that others need elsewhere.
//   early     What is large, measured by the output, and would wait in the concat for the other parts (OCR's pixels for their
//             context, ASPP's branches for each other). By itself it can be summed as it comes, and its memory is free again.
//
// Which parts stay together is decided for each convolution by the estimated time of every choice, in operations of a direct
// convolution:
//
//   convolutions   their operations, times `winogradShare` where they can be Winograd's
//   resizeTaps     its operations times `looseFactor`, since they are no matrix product
//   memory         `movedByte` for each byte read or written once: x, z twice, y, and y twice more for each further term; what
//                  is resized or copied into the concat, shared by the convolutions that read it
//   held           `heldByte` for each byte of a concat, as if it were moved twice more
//
// Precision and device do not matter here, so that a network's weights are the same for all of them.

const winogradShare = 0.4;
const looseFactor = 4;
const movedByte = 15;
const heldByte = 2 * movedByte;
/** Channels in and out below which no convolution is Winograd's. */
const winogradChannels = 32;

/** One of the inputs of a concat. */
interface Part {
  readonly value: Value;
  readonly range: ChannelRange;
  /** Whether it could only be copied into the concat. */
  readonly isCopied: boolean;
  /** What it is a resized form of. */
  readonly resize: Resize | undefined;
  /** After how many nodes it is there. */
  readonly position: number;
}

/** A part that the convolution may resize after its products are made. */
interface ResizedPart extends Part {
  readonly resize: Resize;
}

interface Resize {
  readonly small: Value;
  readonly height: number;
  readonly width: number;
  readonly alignCorners: boolean;
}

/** A convolution and its input's parts: those that stay together, and the others. */
interface Split {
  readonly convolution: Convolution;
  readonly together: readonly Part[];
  readonly apart: readonly Part[];
}

/**
 * Convolutions of a concat become sums of convolutions of its parts where that pays, again and again: a part may be a concat.
 * Wants folded batch norms.
 */
export function splitConvolutions(graph: Graph): Graph {
  const split = splitOnce(graph);
  return split === graph ? graph : splitConvolutions(split);
}

function splitOnce(graph: Graph): Graph {
  const splits = findSplits(graph);
  if (splits.size === 0) return graph;
  const concats = new Map<string, Value>();
  const rewritten = rewrite(graph, (node, pen) => {
    const split = splits.get(node);
    if (split) emitSplit(split, pen, concats);
    else pen.emitFor(node);
  });
  return eliminateDead(rewritten);
}

function findSplits(graph: Graph): Map<Node, Split> {
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.value, parameter]));
  const producers = producersOf(graph);
  const readers = readersOf(graph);
  const positions = new Map(graph.nodes.map((node, index) => [node, index + 1]));
  const splits = new Map<Node, Split>();
  const placed = new Set<Value>();
  for (const node of graph.nodes) {
    if (!node.spec.facts.concatenatesChannels) continue;
    const convolutions = (readers.get(node.outputs.y as Value) ?? []).map(
      (reader) => reader && asConvolution(reader, parameters),
    );
    const parts = partsOf(node, { producers, readers, positions }, placed);
    if (!convolutions.every((one) => one !== undefined)) continue;
    for (const convolution of convolutions) {
      const split = cheapest(convolution, parts, convolutions.length);
      if (split.apart.length > 0) splits.set(convolution.node, split);
    }
  }
  return splits;
}

interface Surroundings {
  readonly producers: ReadonlyMap<Value, Node>;
  readonly readers: ReadonlyMap<Value, readonly (Node | undefined)[]>;
  readonly positions: ReadonlyMap<Node, number>;
}

/** `placed` are those that lie in a concat, this one's included afterwards. */
function partsOf(node: Node, { producers, readers, positions }: Surroundings, placed: Set<Value>): Part[] {
  let first = 0;
  return Object.values(node.inputs).map((value) => {
    const end = first + (value.type.shape.at(-1) as number);
    const producer = producers.get(value);
    const here = readers.get(value)?.filter((reader) => reader === node).length;
    const isCopied =
      producer?.spec.facts.writesSlices !== true ||
      here !== 1 ||
      placed.has(value) ||
      !readers.get(value)?.every((reader) => reader !== undefined && readsSlice(reader, value));
    if (!isCopied) placed.add(value);
    const position = (producer && positions.get(producer)) ?? 0;
    const part = { value, range: { first, end }, isCopied, resize: producer && resizeOf(producer), position };
    first = end;
    return part;
  });
}

const readsSlice = ({ spec, inputs }: Node, value: Value): boolean =>
  Object.entries(inputs).every(
    ([name, input]) => input !== value || spec.facts.readsSlices?.includes(name) === true,
  );

function resizeOf(node: Node): Resize | undefined {
  const { x, residual } = node.inputs;
  if (!node.spec.facts.resizes || !x || residual || hasActivation(node)) return undefined;
  const { height, width, alignCorners } = node.attributes as Omit<Resize, 'small'>;
  return { small: x, height, width, alignCorners };
}

/** The best of all choices: there are no more than six parts. */
function cheapest(convolution: Convolution, parts: readonly Part[], sharers: number): Split {
  let best: Split = { convolution, together: parts, apart: [] };
  let least = costOf(best, sharers);
  for (let choice = 1; choice < 2 ** parts.length; choice++) {
    const isApart = (index: number) => ((choice >> index) & 1) === 1;
    const split = {
      convolution,
      together: parts.filter((_, i) => !isApart(i)),
      apart: parts.filter((_, i) => isApart(i)),
    };
    const cost = costOf(split, sharers);
    if (cost < least) [best, least] = [split, cost];
  }
  return best;
}

function costOf({ convolution, together, apart }: Split, sharers: number): number {
  const { y, kernel } = convolution;
  const { resized, whole } = kindsOf(convolution, apart);
  const corners = new Set(resized.map(({ resize }) => resize.alignCorners));
  if (corners.size > 1) return Infinity; // resizeTaps resizes in one way
  // Taps in the padding would lack their share of the bias.
  if (whole.length + together.length === 0 && convolution.bias && kernel > 1) return Infinity;

  const readBytes = [...together, ...whole].reduce((sum, { value }) => sum + byteLength(value.type), 0);
  const preparation = [...together, ...whole].reduce((sum, part) => {
    const copies = part.isCopied && together.length > 1 && together.includes(part) ? 2 : 0;
    return sum + (byteLength(part.value.type) * (copies + (part.resize ? 1 : 0))) / sharers;
  }, 0);
  const heldBytes =
    together.length > 1 ? together.reduce((sum, { value }) => sum + byteLength(value.type), 0) : 0;
  const terms = Math.min(together.length, 1) + whole.length + Math.min(resized.length, 1);
  const sumBytes = byteLength(y.type) * (2 * terms - 1);

  const direct = [together, ...whole.map((part) => [part])].reduce(
    (sum, some) => sum + convolutionCost(convolution, channelsOf(some)),
    0,
  );
  const taps = resized.reduce((sum, part) => sum + tapsCost(convolution, part), 0);
  return direct + taps + movedByte * (readBytes + preparation + sumBytes) + heldByte * heldBytes;
}

/** Parts that are resized afterwards, where the convolution's taps lie on the pixels that the resize makes, and the others. */
function kindsOf(
  { stride, isCentred }: Convolution,
  apart: readonly Part[],
): { resized: readonly ResizedPart[]; whole: readonly Part[] } {
  const isResized = (part: Part): part is ResizedPart =>
    part.resize !== undefined && stride === 1 && isCentred;
  return { resized: apart.filter(isResized), whole: apart.filter((part) => !isResized(part)) };
}

const channelsOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { range }) => sum + range.end - range.first, 0);

function convolutionCost({ y, kernel, stride }: Convolution, channels: number): number {
  const outputs = y.type.shape.at(-1) as number;
  const isWinograd = kernel === 3 && stride === 1 && Math.min(channels, outputs) >= winogradChannels;
  return 2 * elementCount(y.type.shape) * kernel ** 2 * channels * (isWinograd ? winogradShare : 1);
}

/** Of the products at the small size, and of summing them. */
function tapsCost({ y, kernel }: Convolution, { range, resize: { small, height } }: ResizedPart): number {
  const products = pixelCount(small.type) * kernel ** 2 * (y.type.shape.at(-1) as number);
  const mixedRows = (products / (small.type.shape[1] as number)) * height;
  const sums = 4 * mixedRows + 4 * kernel * elementCount(y.type.shape);
  const zBytes = 4 * products;
  return 2 * products * (range.end - range.first) + looseFactor * sums + movedByte * 2 * zBytes;
}

/**
 * Emits the terms, the first of which has the bias, and additions, which later passes make residuals of: what is there first is
 * summed first.
 */
function emitSplit(split: Split, pen: Rewriter, concats: Map<string, Value>): void {
  const { convolution, together, apart } = split;
  const { node } = convolution;
  const { resized, whole } = kindsOf(convolution, apart);
  const lastOf = (parts: readonly Part[]) => Math.max(...parts.map(({ position }) => position));
  const groups = [together, ...whole.map((part) => [part])]
    .filter(({ length }) => length > 0)
    .sort((a, b) => lastOf(a) - lastOf(b));
  const terms = groups.map((parts, i) => emitConvolution(convolution, parts, i === 0, pen, concats));
  const [first] = resized;
  if (first) terms.push(emitTaps(convolution, resized, first.resize, terms.length === 0, pen));
  const sum = terms.reduce((a, b) => pen.emit(addSpec, { a, b }, noActivation, node.path).outputs.y as Value);
  pen.replace(convolution.y, sum);
}

function emitConvolution(
  { node, filter, names }: Convolution,
  parts: readonly Part[],
  withBias: boolean,
  pen: Rewriter,
  concats: Map<string, Value>,
): Value {
  const { [names.bias]: bias, ...inputs } = pen.mapAll(node.inputs);
  const some = filterOfChannels(
    pen,
    filter,
    parts.map(({ range }) => range),
  );
  const x = sideBySide(
    parts.map(({ value }) => pen.map(value)),
    pen,
    concats,
    node.path,
  );
  return pen.emit(
    node.spec,
    { ...inputs, x, [names.filter]: some.value, ...(withBias && bias && { [names.bias]: bias }) },
    node.attributes,
    node.path,
  ).outputs.y as Value;
}

/** One value, or a concat, the same for all convolutions of the same parts. */
function sideBySide(
  values: readonly Value[],
  pen: Rewriter,
  concats: Map<string, Value>,
  path: string,
): Value {
  if (values.length === 1) return values[0] as Value;
  const key = values.map(({ id }) => id).join();
  const known = concats.get(key);
  if (known) return known;
  const inputs = Object.fromEntries(values.map((value, i) => ['abcdef'[i] as string, value]));
  const made = pen.emit(concatSpec, inputs, {}, path).outputs.y as Value;
  concats.set(key, made);
  return made;
}

function emitTaps(
  { node, filter, names, kernel, dilation }: Convolution,
  parts: readonly ResizedPart[],
  { height, width, alignCorners }: Resize,
  withBias: boolean,
  pen: Rewriter,
): Value {
  const pointwise = { ...node.attributes, padding: 0, dilation: 1 };
  const { [names.bias]: bias } = pen.mapAll(node.inputs);
  const maps = parts.map(({ range, resize }, i) => {
    const x = pen.map(resize.small);
    const taps = filterOfTaps(pen, filter, range).value;
    const inputs = { x, [names.filter]: taps, ...(withBias && i === 0 && bias && { [names.bias]: bias }) };
    const { y } = pen.emit(node.spec, inputs, pointwise, node.path).outputs;
    return ['abcdef'[i] as string, y as Value] as const;
  });
  const { y } = pen.emit(
    tapsSpec,
    Object.fromEntries(maps),
    { height, width, kernel, dilation, alignCorners, ...noActivation, outputType: 'float32' },
    node.path,
  ).outputs;
  return y as Value;
}

import {
  type Graph,
  type Node,
  type Parameter,
  producersOf,
  readersOf,
  typesOf,
  type Value,
} from '../../ir/graph.js';
import { type Rewriter, rewrite } from '../../ir/rewrite.js';
import { asConvolution, type Convolution } from './convolution.js';
import { soleProducer } from './match.js';

/**
 * A pointwise convolution right behind another one is one with it: W₂·(W₁·x + b₁) + b₂ = W₂W₁·x + (W₂·b₁ + b₂). Where that is
 * less work: for 256 → 512 → 512 channels, but not for 512 → 64 → 512. Networks hardly say it like this; those do whose
 * convolution of a concat was split.
 */
export function joinPointwise(graph: Graph): Graph {
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.value, parameter]));
  const pairs = findPairs(graph, parameters);
  if (pairs.size === 0) return graph;
  const firsts = new Set([...pairs.values()].map(([first]) => first.node));
  const joined = rewrite(graph, (node, pen) => {
    const pair = pairs.get(node);
    if (pair) emitJoined(pair, parameters, pen);
    else if (!firsts.has(node)) pen.emitFor(node);
  });
  return joinPointwise(joined);
}

type Parameters = ReadonlyMap<Value, Parameter>;
type Pair = readonly [first: Convolution, second: Convolution];

/** By their second node. Of a chain of three only the first two. */
function findPairs(graph: Graph, parameters: Parameters): Map<Node, Pair> {
  const producers = producersOf(graph);
  const readers = readersOf(graph);
  const pointwise = (node: Node | undefined): Convolution | undefined => {
    if (!node?.spec.facts.mapsPixels?.(typesOf(node.inputs), node.attributes)) return undefined;
    const convolution = asConvolution(node, parameters);
    return convolution?.bias && !parameters.has(convolution.bias) ? undefined : convolution;
  };
  const pairs = new Map<Node, Pair>();
  for (const node of graph.nodes) {
    const second = pointwise(node);
    const first = second && pointwise(soleProducer(second.x, producers, readers));
    if (!first || pairs.has(first.node)) continue;
    const [outputs, inner, inputs] = [second.y, first.y, first.x].map(channelsOf) as [number, number, number];
    if (outputs * inputs < inner * (inputs + outputs)) pairs.set(node, [first, second]);
  }
  return pairs;
}

const channelsOf = ({ type }: Value): number => type.shape.at(-1) as number;

function emitJoined([first, second]: Pair, parameters: Parameters, pen: Rewriter): void {
  const { names } = second;
  const filter = productOfFilters(pen, second.filter, first.filter);
  const bias = shiftOf([first, second], parameters, pen);
  const emitted = pen.emit(
    second.node.spec,
    { x: pen.map(first.x), [names.filter]: filter, ...(bias && { [names.bias]: bias }) },
    second.node.attributes,
    second.node.path,
  );
  pen.replace(second.y, emitted.outputs.y as Value);
}

/** (O, 1, 1, M) · (M, 1, 1, I) = (O, 1, 1, I). */
function productOfFilters(pen: Rewriter, left: Parameter, right: Parameter): Value {
  const [outputs = 0, , , inner = 0] = left.value.type.shape;
  const inputs = right.value.type.shape[3] as number;
  return pen.parameter(
    `${left.name}·${right.name}`,
    { dataType: 'float32', shape: [outputs, 1, 1, inputs] },
    {
      kind: 'derived',
      from: [left, right],
      compute: ([a, b]) => product(a as Float32Array, b as Float32Array, inner),
    },
  ).value;
}

/** W₂·b₁ + b₂. */
function shiftOf([first, second]: Pair, parameters: Parameters, pen: Rewriter): Value | undefined {
  const [inner, outer] = [first, second].map(({ bias }) => bias && parameters.get(bias));
  if (!inner) return outer?.value;
  const { filter } = second;
  const name = `${filter.name}·${inner.name}${outer ? `+${outer.name}` : ''}`;
  const type = { dataType: 'float32', shape: [channelsOf(second.y)] } as const;
  return pen.parameter(name, type, {
    kind: 'derived',
    from: [filter, inner, ...(outer ? [outer] : [])],
    compute([weights, shift, more]) {
      const sums = product(weights as Float32Array, shift as Float32Array, (shift as Float32Array).length);
      return more ? sums.map((sum, channel) => sum + (more[channel] as number)) : sums;
    },
  }).value;
}

/** a (rows × inner) · b (inner × columns), summed in float64. */
function product(a: Float32Array, b: Float32Array, inner: number): Float32Array {
  const rows = a.length / inner;
  const columns = b.length / inner;
  const result = new Float32Array(rows * columns);
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let k = 0; k < inner; k++) {
      const factor = a[row * inner + k] as number;
      for (let column = 0; column < columns; column++)
        sums[column] = (sums[column] as number) + factor * (b[k * columns + column] as number);
    }
    result.set(sums, row * columns);
  }
  return result;
}

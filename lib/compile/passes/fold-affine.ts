import { type Graph, type Node, type Parameter, producersOf, readersOf, type Value } from '../../ir/graph.js';
import { type Affine, erase } from '../../ir/op.js';
import { type Rewriter, rewrite } from '../../ir/rewrite.js';
import { noActivation } from '../../ops/epilogue.js';
import { scaleShift } from '../../ops/index.js';
import { isParameter } from './match.js';

/**
 * Batch norm (and any other scale and shift made of parameters) goes into the filter and bias of the convolution before
 * it: W' = scale · W, b' = scale · b + shift. Where there is no such convolution it becomes a scaleShift. Filters are
 * computed anew when weights are loaded, never stored.
 */
export function foldAffine(graph: Graph): Graph {
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.value, parameter]));
  const producers = producersOf(graph);
  const readers = readersOf(graph);

  const absorber = (node: Node): Node | undefined => {
    const { affine } = node.spec.facts;
    if (!affine?.parameters.every((name) => isParameter(node.inputs[name], parameters))) return undefined;
    const input = node.inputs[affine.input] as Value;
    const producer = producers.get(input);
    const absorbs = producer?.spec.facts.absorbsAffine;
    if (!producer || !absorbs || readers.get(input)?.length !== 1) return undefined;
    const { [absorbs.filter]: filter, [absorbs.bias]: bias, residual } = producer.inputs;
    const plain = producer.attributes.activation === 'none' && residual === undefined;
    return plain && isParameter(filter, parameters) && (!bias || parameters.has(bias)) ? producer : undefined;
  };

  const absorbed = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const producer = absorber(node);
    if (producer) absorbed.set(producer, node);
  }
  const folded = new Set(absorbed.values());

  return rewrite(graph, (node, pen) => {
    const affineNode = absorbed.get(node);
    if (affineNode) fold(node, affineNode, parameters, pen);
    else if (folded.has(node)) return;
    else if (node.spec.facts.affine && node.spec.facts.compiledAway) lower(node, parameters, pen);
    else pen.emitFor(node);
  });
}

type Parameters = ReadonlyMap<Value, Parameter>;

/** Emits the convolution with new parameters; its output stands for the affine node's. */
function fold(node: Node, affineNode: Node, parameters: Parameters, pen: Rewriter): void {
  const absorbs = node.spec.facts.absorbsAffine as { filter: string; bias: string };
  const filter = parameters.get(node.inputs[absorbs.filter] as Value) as Parameter;
  const bias = node.inputs[absorbs.bias] && parameters.get(node.inputs[absorbs.bias] as Value);
  const channels = filter.value.type.shape[0] as number;
  const { from, coefficients } = affineOf(affineNode, parameters, channels);

  const scaled = pen.parameter(`${filter.name}*${affineNode.path}`, filter.value.type, {
    kind: 'derived',
    from: [filter, ...from],
    compute: ([weights, ...rest]) => scaleRows(weights as Float32Array, coefficients(rest).scale),
  });
  const shifted = pen.parameter(
    `${filter.name}*${affineNode.path}.shift`,
    { dataType: 'float32', shape: [channels] },
    bias
      ? {
          kind: 'derived',
          from: [bias, ...from],
          compute: ([plain, ...rest]) => {
            const { scale, shift } = coefficients(rest);
            return shift.map(
              (value, channel) => value + (scale[channel] as number) * (plain?.[channel] as number),
            );
          },
        }
      : { kind: 'derived', from, compute: (tensors) => coefficients(tensors).shift },
  );
  const inputs = {
    ...pen.mapAll(node.inputs),
    [absorbs.filter]: scaled.value,
    [absorbs.bias]: shifted.value,
  };
  const emitted = pen.emitFor(node, { inputs });
  pen.replace(onlyOutput(affineNode), onlyOutput(emitted));
}

/** A batch norm with nothing to go into. */
function lower(node: Node, parameters: Parameters, pen: Rewriter): void {
  const { affine } = node.spec.facts;
  const x = pen.map(node.inputs[affine?.input as string] as Value);
  const channels = x.type.shape.at(-1) as number;
  const { from, coefficients } = affineOf(node, parameters, channels);
  const type = { dataType: 'float32', shape: [channels] } as const;
  const derive = (which: keyof Affine) =>
    pen.parameter(`${node.path}.${which}`, type, {
      kind: 'derived',
      from,
      compute: (tensors) => coefficients(tensors)[which],
    }).value;
  const emitted = pen.emit(
    erase(scaleShift),
    { x, scale: derive('scale'), shift: derive('shift') },
    noActivation,
    node.path,
  );
  pen.replace(onlyOutput(node), onlyOutput(emitted));
}

/** The parameters that an affine map is made of, and how: one coefficient a channel. */
function affineOf(node: Node, parameters: Parameters, channels: number) {
  const { affine } = node.spec.facts;
  if (!affine) throw new Error(`${node.spec.name} is not affine`);
  const from = affine.parameters.map((name) => parameters.get(node.inputs[name] as Value) as Parameter);
  const perChannel = (values: Float32Array) =>
    values.length === channels ? values : new Float32Array(channels).fill(values[0] as number);
  return {
    from,
    coefficients: (tensors: readonly Float32Array[]): Affine => {
      const { scale, shift } = affine.coefficients(tensors, node.attributes);
      return { scale: perChannel(scale), shift: perChannel(shift) };
    },
  };
}

function scaleRows(weights: Float32Array, scale: Float32Array): Float32Array {
  const result = new Float32Array(weights.length);
  const width = weights.length / scale.length;
  scale.forEach((factor, row) => {
    for (let i = row * width; i < (row + 1) * width; i++) result[i] = (weights[i] as number) * factor;
  });
  return result;
}

const onlyOutput = (node: Node): Value => Object.values(node.outputs)[0] as Value;

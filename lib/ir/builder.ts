import { OcrnetError } from '../errors.js';
import type { AttributeSchema, Attributes } from './attributes.js';
import type { Graph, GraphInput, GraphOutput, Node, Parameter, ParameterSource, Value } from './graph.js';
import {
  type AnyOpSpec,
  type AttributeValues,
  erase,
  type Inputs,
  type OpSpec,
  ShapeError,
  type TensorTypes,
} from './op.js';
import { formatType, type Shape, type TensorType } from './tensor-type.js';

/** The mutable half of building, shared by all scopes of one builder. */
interface Draft {
  readonly isTraining: boolean;
  nextId: number;
  readonly inputs: GraphInput[];
  readonly parameters: Map<string, Parameter>;
  readonly nodes: Node[];
  readonly outputs: GraphOutput[];
}

/**
 * Builds a graph node by node. `at('layer1')` gives a builder that writes into the same graph under a longer path; a
 * parameter's name is the path joined with its own, as in a PyTorch state dict.
 */
export class GraphBuilder {
  readonly path: string;
  readonly #draft: Draft;

  constructor(path = '', draft: Draft = emptyDraft()) {
    this.path = path;
    this.#draft = draft;
  }

  /** A builder of a network that is to be trained. */
  static forTraining(): GraphBuilder {
    return new GraphBuilder('', emptyDraft({ isTraining: true }));
  }

  /** Whether the network is to be trained: layers that do nothing when it runs are then in it. */
  get isTraining(): boolean {
    return this.#draft.isTraining;
  }

  at(scope: string | number): GraphBuilder {
    return new GraphBuilder(this.path === '' ? `${scope}` : `${this.path}.${scope}`, this.#draft);
  }

  /**
   * Asking twice for one name gives the same input.
   *
   * @throws OcrnetError INVALID_GRAPH where it is of another type
   */
  input(name: string, type: TensorType): Value {
    const known = this.#draft.inputs.find((input) => input.name === name)?.value;
    if (known) {
      if (formatType(known.type) === formatType(type)) return known;
      throw new OcrnetError('INVALID_GRAPH', `The input "${name}" is used with two types`, {
        expected: formatType(known.type),
        received: formatType(type),
      });
    }
    const value = this.#value(type);
    this.#draft.inputs.push({ name, value });
    return value;
  }

  /** A float32 parameter named `path.name`. Asking twice for one name gives the same parameter. */
  parameter(name: string, shape: Shape, source: ParameterSource): Value {
    const fullName = this.path === '' ? name : `${this.path}.${name}`;
    const known = this.#draft.parameters.get(fullName);
    if (known) return known.value;
    const value = this.#value({ dataType: 'float32', shape });
    this.#draft.parameters.set(fullName, { name: fullName, value, source });
    return value;
  }

  add<
    I extends readonly string[],
    Opt extends readonly string[],
    O extends readonly string[],
    S extends AttributeSchema,
  >(
    spec: OpSpec<string, I, Opt, O, S>,
    inputs: Inputs<I, Opt, Value | undefined>,
    attributes: Attributes<S>,
  ): { readonly [K in O[number]]: Value } {
    const given = Object.entries(inputs as Record<string, Value | undefined>).filter(
      ([, value]) => value !== undefined,
    );
    const node = makeNode(
      erase(spec),
      Object.fromEntries(given) as Record<string, Value>,
      attributes,
      this.path,
      (type) => this.#value(type),
    );
    this.#draft.nodes.push(node);
    return node.outputs as { readonly [K in O[number]]: Value };
  }

  /** How many nodes of an operation the whole graph has so far. */
  countOf(spec: unknown): number {
    return this.#draft.nodes.filter((node) => node.spec === spec).length;
  }

  output(name: string, value: Value): void {
    this.#draft.outputs.push({ name, value });
  }

  build(): Graph {
    const { inputs, parameters, nodes, outputs } = this.#draft;
    return {
      inputs: [...inputs],
      parameters: [...parameters.values()],
      nodes: [...nodes],
      outputs: [...outputs],
      states: [],
      updates: [],
    };
  }

  #value(type: TensorType): Value {
    return { id: this.#draft.nextId++, type };
  }
}

const emptyDraft = ({ isTraining = false } = {}): Draft => ({
  isTraining,
  nextId: 0,
  inputs: [],
  parameters: new Map(),
  nodes: [],
  outputs: [],
});

/** Infers a node's outputs; an error names the node by its path. */
export function makeNode(
  spec: AnyOpSpec,
  inputs: Readonly<Record<string, Value>>,
  attributes: AttributeValues,
  path: string,
  newValue: (type: TensorType) => Value,
): Node {
  const types: TensorTypes = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, value.type]),
  );
  const outputs = Object.entries(inferAt(spec, types, attributes, path)).map(
    ([name, type]) => [name, newValue(type)] as const,
  );
  return { spec, path, inputs, attributes, outputs: Object.fromEntries(outputs) };
}

export function inferAt(
  spec: AnyOpSpec,
  types: TensorTypes,
  attributes: AttributeValues,
  path: string,
): TensorTypes {
  try {
    for (const name of spec.inputs) if (!types[name]) throw new ShapeError(`needs its input "${name}"`);
    const outputs = spec.infer(types, attributes);
    for (const type of Object.values(outputs))
      if (!type.shape.every((size) => Number.isSafeInteger(size) && size > 0))
        throw new ShapeError(`would give ${formatType(type)}: every size must be positive`);
    return outputs;
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new OcrnetError('INVALID_GRAPH', `${path === '' ? 'graph' : path}: ${spec.name} ${error.message}`);
  }
}

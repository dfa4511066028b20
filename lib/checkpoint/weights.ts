import { OcrnetError } from '../errors.js';
import { type Graph, type Parameter, storedParameters } from '../ir/graph.js';
import { channelsFirst, channelsLast, shapeWithChannelsFirst } from '../ir/layout.js';
import { formatShape, type Shape, sameShape } from '../ir/tensor-type.js';
import type { TensorSource } from './tensor-source.js';

/** The numbers of a stored parameter in the graph's layout (filters OHWI). They may be shared: read, do not write. */
export type ReadParameter = (parameter: Parameter) => Float32Array;

/**
 * Every weight that the graph reads, in the graph's layout, in the order of `graph.parameters`: stored ones as `read`
 * gives them, derived ones computed from others. Lazy, so that one weight exists at a time, besides those that a later
 * derived one still needs.
 */
export function* eachWeight(
  graph: Pick<Graph, 'parameters'>,
  read: ReadParameter,
): Generator<[Parameter, Float32Array]> {
  const uses = new Map<Parameter, number>();
  const count = (parameter: Parameter): void => {
    const before = uses.get(parameter) ?? 0;
    uses.set(parameter, before + 1);
    if (before === 0 && parameter.source.kind === 'derived') parameter.source.from.forEach(count);
  };
  graph.parameters.forEach(count);

  const kept = new Map<Parameter, Float32Array>();
  const take = (parameter: Parameter): Float32Array => {
    const { source } = parameter;
    const data =
      kept.get(parameter) ??
      (source.kind === 'derived' ? source.compute(source.from.map(take)) : read(parameter));
    const left = (uses.get(parameter) as number) - 1;
    uses.set(parameter, left);
    if (left > 0) kept.set(parameter, data);
    else kept.delete(parameter);
    return data;
  };
  for (const parameter of graph.parameters) yield [parameter, take(parameter)];
}

/**
 * A reader of a graph's stored parameters from a checkpoint, after a check that the two belong together.
 *
 * @throws OcrnetError `INVALID_WEIGHTS`, one for all tensors that are missing, of another shape, or unknown to the graph,
 * with the likely cause. PyTorch's counters `num_batches_tracked` are passed over.
 */
export function checkpointReader(graph: Graph, source: TensorSource): ReadParameter {
  const problem = findMismatch(storedParameters(graph), source);
  if (problem !== undefined)
    throw new OcrnetError('INVALID_WEIGHTS', `${source.description} does not fit the model: ${problem}`);
  return (parameter) => {
    const data = source.read(parameter.name);
    return isFilter(parameter) ? channelsLast(data, fileShape(parameter)) : data;
  };
}

/** The stored parameters of a graph as a checkpoint holds them: what a writer asks for. */
export function checkpointTensors(graph: Graph, read: ReadParameter): TensorSource {
  const parameters = new Map(storedParameters(graph).map((parameter) => [parameter.name, parameter]));
  return {
    description: 'the model',
    tensors: new Map([...parameters].map(([name, parameter]) => [name, { shape: fileShape(parameter) }])),
    read(name) {
      const parameter = parameters.get(name);
      if (!parameter) throw new OcrnetError('INVALID_WEIGHTS', `the model holds no tensor "${name}"`);
      const data = read(parameter);
      return isFilter(parameter) ? channelsFirst(data, parameter.value.type.shape) : data;
    },
  };
}

const isFilter = ({ source }: Parameter): boolean =>
  source.kind === 'stored' && source.fileLayout === 'filter';

const fileShape = (parameter: Parameter): Shape => {
  const { shape } = parameter.value.type;
  return isFilter(parameter) ? shapeWithChannelsFirst(shape) : shape;
};

interface ShapeMismatch {
  readonly name: string;
  readonly expected: Shape;
  readonly received: Shape;
}

function findMismatch(parameters: readonly Parameter[], { tensors }: TensorSource): string | undefined {
  const wanted = new Map(parameters.map((parameter) => [parameter.name, fileShape(parameter)]));
  const missing = [...wanted.keys()].filter((name) => !tensors.has(name));
  const unexpected = [...tensors.keys()].filter(
    (name) => !wanted.has(name) && !name.endsWith('num_batches_tracked'),
  );
  const misshapen: ShapeMismatch[] = [];
  for (const [name, expected] of wanted) {
    const received = tensors.get(name)?.shape;
    if (received && !sameShape(expected, received)) misshapen.push({ name, expected, received });
  }
  const problems = [
    list(missing.length, 'missing', missing),
    list(
      misshapen.length,
      'of another shape',
      misshapen.map(
        ({ name, expected, received }) =>
          `${name} (expected ${formatShape(expected)}, received ${formatShape(received)})`,
      ),
    ),
    list(unexpected.length, 'unexpected', unexpected),
  ].filter((text) => text !== '');
  if (problems.length === 0) return undefined;
  return [...problems, ...likelyCauses(missing, unexpected, misshapen)].join('; ');
}

const shownNames = 3;

function list(count: number, what: string, items: readonly string[]): string {
  if (count === 0) return '';
  const more = count > shownNames ? ', …' : '';
  return `${count} ${count === 1 ? 'tensor' : 'tensors'} ${what}: ${items.slice(0, shownNames).join(', ')}${more}`;
}

function likelyCauses(
  missing: readonly string[],
  unexpected: readonly string[],
  misshapen: readonly ShapeMismatch[],
): string[] {
  const causes: string[] = [];
  const prefix = commonPrefix(unexpected);
  if (prefix !== '' && unexpected.some((name) => missing.includes(name.slice(prefix.length))))
    causes.push(`the names in the file start with "${prefix}", which the model's do not`);
  const modelPrefix = commonPrefix(missing);
  if (modelPrefix !== '' && missing.some((name) => unexpected.includes(name.slice(modelPrefix.length))))
    causes.push(`the model's names start with "${modelPrefix}", which those in the file do not`);
  const [first] = misshapen;
  // A different number of classes shows in the first size of the classifiers' filters and biases, and nowhere else.
  if (
    first &&
    misshapen.every(
      ({ expected, received }) =>
        expected[0] === first.expected[0] &&
        received[0] === first.received[0] &&
        sameShape(expected.slice(1), received.slice(1)),
    )
  )
    causes.push(`the file is for ${first.received[0]} classes, the model for ${first.expected[0]}`);
  return causes.map((cause) => `likely cause: ${cause}`);
}

/** The first component that all names share, with its dot. */
function commonPrefix(names: readonly string[]): string {
  const first = names[0] ?? '';
  const prefix = first.slice(0, first.indexOf('.') + 1);
  return names.every((name) => name.startsWith(prefix)) ? prefix : '';
}

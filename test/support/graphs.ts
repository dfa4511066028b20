import { type Graph, type Parameter, storedParameters } from '../../lib/ir/graph.js';
import { elementCount, type Shape } from '../../lib/ir/tensor-type.js';

const isTrainable = ({ source }: Parameter): boolean => source.kind === 'stored' && source.trainable;

/** Numbers that training changes, in parameters whose name starts with `prefix`: what PyTorch's parameters() counts. */
export const countTrainable = (graph: Graph, prefix = ''): number =>
  storedParameters(graph)
    .filter((parameter) => isTrainable(parameter) && parameter.name.startsWith(prefix))
    .reduce((sum, { value }) => sum + elementCount(value.type.shape), 0);

export const parameterNames = (graph: Graph): string[] => storedParameters(graph).map(({ name }) => name);

export const parameterShape = (graph: Graph, name: string): Shape | undefined =>
  storedParameters(graph).find((parameter) => parameter.name === name)?.value.type.shape;

/** Output types by name, as text. */
export const outputTypes = (graph: Graph): Record<string, string> =>
  Object.fromEntries(
    graph.outputs.map(({ name, value }) => [name, `${value.type.dataType} ${value.type.shape.join('×')}`]),
  );

import type { Compiled } from '../../lib/compile/compile.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { GraphExtension } from '../../lib/ir/extend.js';
import { type Graph, type Parameter, storedParameters } from '../../lib/ir/graph.js';
import { elementCount, type Shape } from '../../lib/ir/tensor-type.js';
import { accumulate } from '../../lib/ops/index.js';
import type { Device } from '../../lib/runtime/device.js';

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

/** A plan with the state "total" (3): each run makes of it total · weights[0] + part · weights[1], of inputs "weights" and "part". */
export function compileRunningSum(device: Device): Compiled {
  const extension = new GraphExtension(new GraphBuilder('sum').build());
  const flat = { dataType: 'float32', shape: [3] } as const;
  const total = extension.leaf(flat);
  const part = extension.input('part', flat);
  const weights = extension.input('weights', { dataType: 'float32', shape: [2] });
  extension.update(extension.at('sum')(accumulate, { total, part, weights }, {}).newTotal);
  return device.compilePrepared(extension.finish([], [{ name: 'total', value: total, parts: [] }]));
}

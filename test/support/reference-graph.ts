import type { Graph, StatePart, Value } from '../../lib/ir/graph.js';
import { formatShape, sameShape } from '../../lib/ir/tensor-type.js';
import type { OperationName } from '../../lib/ops/index.js';
import { referenceOps } from './reference-ops.js';
import { type ReferenceOp, type ReferenceTensor, roundToBfloat16 } from './reference-tensor.js';
import { referenceTrainingOps } from './reference-training-ops.js';

const referenceOf: Readonly<Record<OperationName, ReferenceOp>> = {
  ...referenceOps,
  ...referenceTrainingOps,
};

/**
 * Runs a graph with the reference operations; `values` gives its inputs, parameters and the parts of its state by name.
 * Outputs by name.
 *
 * @param rounds - whether what is of type bfloat16 is rounded to it: what plain code in mixed precision computes
 */
export function runReference(
  graph: Graph,
  values: Readonly<Record<string, ReferenceTensor>>,
  { rounds = false } = {},
): Record<string, ReferenceTensor> {
  const known = new Map<Value, ReferenceTensor>();
  const set = (name: string, value: Value, tensor: ReferenceTensor | undefined) => {
    if (!tensor) throw new Error(`no value for "${name}"`);
    if (!sameShape(tensor.shape, value.type.shape))
      throw new Error(
        `${name} is ${formatShape(tensor.shape)}, its type says ${formatShape(value.type.shape)}`,
      );
    known.set(value, tensor);
  };
  for (const { name, value } of [...graph.inputs, ...graph.parameters]) set(name, value, values[name]);
  for (const { name, value, parts } of graph.states) {
    // Blocks without parts start at zero, as on a device.
    const whole = values[name] ?? wholeOf(value, parts, values);
    set(name, value, whole);
    for (const part of parts) set(part.name, part.value, values[part.name]);
  }
  const get = (value: Value) => known.get(value) as ReferenceTensor;
  for (const { spec, inputs, attributes, outputs, path } of graph.nodes) {
    // Tensor cores multiply what has one type: beside bfloat16 operands a float32 filter is rounded, too.
    const multiplies = rounds && inputs.filter && (inputs.x ?? inputs.dy)?.type.dataType === 'bfloat16';
    const given = Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [
        name,
        multiplies && name === 'filter' ? rounded(get(value)) : get(value),
      ]),
    );
    const results = referenceOf[spec.name as OperationName](given, attributes);
    for (const [name, value] of Object.entries(outputs)) {
      const result = results[name];
      const isRounded = rounds && value.type.dataType === 'bfloat16';
      set(`${path}: ${spec.name} ${name}`, value, isRounded ? result && rounded(result) : result);
    }
  }
  return Object.fromEntries(graph.outputs.map(({ name, value }) => [name, get(value)]));
}

const rounded = ({ shape, data }: ReferenceTensor): ReferenceTensor => ({
  shape,
  data: data.map(roundToBfloat16),
});

function wholeOf(
  { type }: Value,
  parts: readonly StatePart[],
  values: Readonly<Record<string, ReferenceTensor>>,
): ReferenceTensor {
  const data = new Float64Array(type.shape[0] as number);
  for (const { name, offset } of parts) data.set(values[name]?.data ?? [], offset);
  return { shape: type.shape, data };
}

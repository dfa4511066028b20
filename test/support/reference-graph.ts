import type { Graph, StatePart, Value } from '../../lib/ir/graph.js';
import { type DataType, formatShape, sameShape } from '../../lib/ir/tensor-type.js';
import type { OperationName } from '../../lib/ops/index.js';
import { referenceOps } from './reference-ops.js';
import { type ReferenceOp, type ReferenceTensor, roundTo } from './reference-tensor.js';
import { referenceTrainingOps } from './reference-training-ops.js';

const referenceOf: Readonly<Record<OperationName, ReferenceOp>> = {
  ...referenceOps,
  ...referenceTrainingOps,
};

/**
 * Runs a graph with the reference operations; `values` gives its inputs, parameters and the parts of its state by name.
 * Outputs by name.
 *
 * @param rounds - whether what is of a type of 16 bits is rounded to it: what plain code in mixed precision computes
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
    // Tensor cores multiply what has one type: beside operands of 16 bits a float32 filter is rounded, too.
    const operandType = (inputs.x ?? inputs.dy)?.type.dataType;
    const given = Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [
        name,
        rounds && name === 'filter' ? rounded(get(value), operandType) : get(value),
      ]),
    );
    const results = referenceOf[spec.name as OperationName](given, attributes);
    for (const [name, value] of Object.entries(outputs)) {
      const result = results[name];
      const { dataType } = value.type;
      set(`${path}: ${spec.name} ${name}`, value, rounds && result ? rounded(result, dataType) : result);
    }
  }
  return Object.fromEntries(graph.outputs.map(({ name, value }) => [name, get(value)]));
}

/** To a type of 16 bits; as it is in any other. */
const rounded = ({ shape, data }: ReferenceTensor, type: DataType | undefined): ReferenceTensor => ({
  shape,
  data: type === 'bfloat16' || type === 'float16' ? data.map((value) => roundTo(type, value)) : data,
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

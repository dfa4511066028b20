import { type Graph, type Node, readersOf, type Value } from '../../ir/graph.js';
import { erase } from '../../ir/op.js';
import { type Rewriter, rewrite } from '../../ir/rewrite.js';
import { type FloatType, floatTypes, isFloat } from '../../ir/tensor-type.js';
import { cast } from '../../ops/index.js';

export const precisions = floatTypes;
export type Precision = FloatType;

/**
 * Chooses the element type of every activation: bfloat16 or float16 throughout, but float32 for what a spec calls exact (parameters,
 * class scores) and for graph outputs. Operations that can write either type do so themselves; elsewhere a cast is put in.
 */
export function assignPrecision(graph: Graph, precision: Precision): Graph {
  if (precision === 'float32') return graph;
  const readers = readersOf(graph);
  const exact = memoised(
    (value: Value) => readers.get(value)?.every((reader) => readsExactly(reader, value)) === true,
  );
  // What a sum is added to is exact where the sum is, and says so itself.
  const isExact = (reader: Node, input: string): boolean =>
    reader.spec.facts.exactInputs?.includes(input) === true ||
    (input === 'residual' && reader.spec.attributes.outputType !== undefined && writesExactly(reader));
  const readsExactly = (reader: Node | undefined, value: Value): boolean =>
    reader === undefined ||
    Object.entries(reader.inputs).every(([name, input]) => input !== value || isExact(reader, name));
  const writesExactly = (node: Node): boolean => Object.values(node.outputs).every(exact);

  const casts = new Map<Value, Value>();
  const as = (value: Value, type: Precision, pen: Rewriter, path: string): Value => {
    if (!isFloat(value.type.dataType) || value.type.dataType === type) return value;
    const known = casts.get(value);
    if (known) return known;
    const made = pen.emit(erase(cast), { x: value }, { outputType: type }, `${path}.cast`).outputs.y as Value;
    casts.set(value, made);
    return made;
  };

  const outputs = new Map<Value, string>(graph.outputs.map(({ name, value }) => [value, name]));
  return rewrite(graph, (node, pen) => {
    const inputs = Object.entries(node.inputs).map(([name, value]) => {
      const wanted = isExact(node, name) ? 'float32' : precision;
      return [name, as(pen.map(value), wanted, pen, node.path)] as const;
    });
    const emitted = pen.emitFor(node, {
      inputs: Object.fromEntries(inputs),
      attributes: withOutputType(node, writesExactly(node) ? 'float32' : precision),
    });
    // What the caller sees is float32.
    for (const [name, value] of Object.entries(node.outputs))
      if (outputs.has(value))
        pen.replace(value, as(emitted.outputs[name] as Value, 'float32', pen, node.path));
  });
}

/** Sets `outputType` where the operation has one: to the type itself, or to `same` where that is how it says a type of 16 bits. */
function withOutputType(node: Node, type: Precision): Node['attributes'] {
  const field = node.spec.attributes.outputType;
  if (field?.kind !== 'enum') return node.attributes;
  return { ...node.attributes, outputType: field.of.includes(type) ? type : 'same' };
}

/** A function of values, each computed once. */
function memoised<T>(compute: (value: Value) => T): (value: Value) => T {
  const known = new Map<Value, T>();
  return (value) => {
    if (!known.has(value)) known.set(value, compute(value));
    return known.get(value) as T;
  };
}

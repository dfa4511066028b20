import { OcrnetError } from '../errors.js';
import { inferAt } from './builder.js';
import { type Graph, type Node, type StateBlock, typesOf, type Value } from './graph.js';
import { elementCount, formatType, sameShape, type TensorType } from './tensor-type.js';

/** Throws unless the graph is well formed; run after every pass, so that a broken pass is named and not its victim. */
export function verify(graph: Graph, after = 'construction'): void {
  const defined = new Set<Value>();
  const define = (value: Value, what: string) => {
    if (defined.has(value)) throw broken(after, `${what} is defined twice`);
    defined.add(value);
  };
  for (const { name, value } of graph.inputs) define(value, `input "${name}"`);
  const names = new Set<string>();
  for (const { name, value } of graph.parameters) {
    define(value, `parameter "${name}"`);
    if (names.has(name)) throw broken(after, `two parameters are called "${name}"`);
    names.add(name);
    if (value.type.dataType !== 'float32')
      throw broken(after, `parameter "${name}" is ${value.type.dataType}, not float32`);
  }
  for (const block of graph.states) verifyState(block, define, after);
  for (const node of graph.nodes) verifyNode(node, defined, define, after);
  for (const { name, value } of graph.outputs)
    if (!defined.has(value)) throw broken(after, `output "${name}" is never computed`);
  const updated = new Set(graph.nodes.flatMap(updatedBy));
  for (const value of graph.updates)
    if (!updated.has(value)) throw broken(after, `${formatType(value.type)} is no update of state`);
}

/** The outputs of a node that are written over state. */
const updatedBy = ({ spec, outputs }: Node): Value[] =>
  Object.keys(spec.facts.updates ?? {}).map((name) => outputs[name] as Value);

function verifyState(
  { name, value, parts }: StateBlock,
  define: (value: Value, what: string) => void,
  after: string,
): void {
  define(value, `state "${name}"`);
  const [length = 0] = value.type.shape;
  for (const part of parts) {
    define(part.value, `"${part.name}" in state "${name}"`);
    if (part.value.type.dataType !== 'float32')
      throw broken(after, `"${part.name}" in state "${name}" is not float32`);
    if (part.offset < 0 || part.offset + elementCount(part.value.type.shape) > length)
      throw broken(after, `"${part.name}" does not lie within state "${name}"`);
  }
}

function verifyNode(
  node: Node,
  defined: Set<Value>,
  define: (value: Value, what: string) => void,
  after: string,
): void {
  const label = `${node.path}: ${node.spec.name}`;
  const known = new Set([...node.spec.inputs, ...node.spec.optionalInputs]);
  for (const [name, value] of Object.entries(node.inputs)) {
    if (!known.has(name) && !node.spec.facts.joins) throw broken(after, `${label} has no input "${name}"`);
    if (!defined.has(value)) throw broken(after, `${label} reads "${name}" before it is computed`);
  }
  verifyAttributes(node, label, after);
  const types = typesOf(node.inputs);
  const inferred = inferAt(node.spec, types, node.attributes, node.path);
  for (const name of node.spec.outputs) {
    const value = node.outputs[name];
    const type = inferred[name];
    if (!value || !type) throw broken(after, `${label} lacks its output "${name}"`);
    if (!sameType(value.type, type))
      throw broken(
        after,
        `${label} says ${formatType(value.type)} where its inputs give ${formatType(type)}`,
      );
    define(value, `output "${name}" of ${label}`);
  }
}

function verifyAttributes(node: Node, label: string, after: string): void {
  for (const [name, field] of Object.entries(node.spec.attributes)) {
    const value = node.attributes[name];
    const fits =
      field.kind === 'bool'
        ? typeof value === 'boolean'
        : field.kind === 'enum'
          ? typeof value === 'string' && field.of.includes(value)
          : field.kind === 'size'
            ? Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31
            : field.kind === 'int'
              ? Number.isInteger(value) && Math.abs(value as number) < 2 ** 31
              : typeof value === 'number';
    if (!fits)
      throw broken(after, `${label}: attribute "${name}" must be ${field.kind}, is ${String(value)}`);
  }
}

const sameType = (a: TensorType, b: TensorType): boolean =>
  a.dataType === b.dataType && sameShape(a.shape, b.shape);

const broken = (after: string, what: string): OcrnetError =>
  new OcrnetError('INVALID_GRAPH', `The graph is not valid after ${after}: ${what}`);

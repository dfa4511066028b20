import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph, Value } from '../../lib/ir/graph.js';
import type { AnyOpSpec, AttributeValues } from '../../lib/ir/op.js';
import type { Device } from '../../lib/runtime/device.js';
import { relativeError } from './compare.js';
import { randomNumbers, randomTensor } from './random.js';
import { runReference } from './reference-graph.js';
import type { ReferenceTensor } from './reference-tensor.js';

export interface GradientCase {
  readonly spec: AnyOpSpec;
  readonly inputs: Readonly<Record<string, ReferenceTensor>>;
  readonly attributes: AttributeValues;
  /** Inputs that are int32 and have no gradient. */
  readonly integers?: readonly string[];
  /** Inputs whose gradients nobody wants; all others are checked. */
  readonly unwanted?: readonly string[];
  /** Outputs on which a loss depends; by default all. */
  readonly differentiated?: readonly string[];
}

/**
 * One operation and its gradient as the spec builds it. Its inputs are the operation's, and the gradient of each output,
 * named d_NAME; its outputs those of the operation, and the gradients d_NAME of its inputs.
 */
function gradientGraph(gradientCase: GradientCase): Graph {
  const { spec, inputs, attributes, integers = [], unwanted = [], differentiated } = gradientCase;
  const graph = new GraphBuilder(spec.name);
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape }]) => [
      name,
      graph.input(name, { dataType: integers.includes(name) ? 'int32' : 'float32', shape }),
    ]),
  );
  const outputs = graph.add(spec, values, attributes) as Readonly<Record<string, Value>>;
  const outputGradients = Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => differentiated?.includes(name) ?? true)
      .map(([name, { type }]) => [name, graph.input(`d_${name}`, type)]),
  );
  const gradients = spec.gradient?.({
    inputs: values,
    outputs,
    attributes,
    outputGradients,
    wants: (input) => !unwanted.includes(input),
    add: (added, given, withAttributes) => graph.add(added, given, withAttributes),
  });
  for (const [name, value] of Object.entries(outputs)) graph.output(name, value);
  for (const [name, value] of Object.entries(gradients ?? {}))
    if (value && name in inputs && !unwanted.includes(name)) graph.output(`d_${name}`, value);
  return graph.build();
}

const step = 1e-5;
const samples = 24;

/**
 * Holds the gradient's float64 reference against central differences of Σ (random number · output), at some elements of each
 * input, and the device's float32 result against the reference.
 */
export async function checkGradient(device: Device, gradientCase: GradientCase): Promise<void> {
  const next = randomNumbers(11);
  const graph = gradientGraph(gradientCase);
  const given = { ...gradientCase.inputs };
  for (const { name, value } of graph.inputs) given[name] ??= randomTensor(value.type.shape, next);
  const expected = runReference(graph, given);

  const loss = (inputs: Readonly<Record<string, ReferenceTensor>>) => {
    const outputs = runReference(graph, inputs);
    return (gradientCase.differentiated ?? gradientCase.spec.outputs).reduce((sum, name) => {
      const weights = given[`d_${name}`] as ReferenceTensor;
      return (outputs[name] as ReferenceTensor).data.reduce(
        (total, value, i) => total + value * (weights.data[i] as number),
        sum,
      );
    }, 0);
  };
  for (const [name, input] of Object.entries(gradientCase.inputs)) {
    const gradient = expected[`d_${name}`];
    if (!gradient) continue;
    const scale = Math.max(...gradient.data.map(Math.abs));
    for (let sample = 0; sample < samples; sample++) {
      const i = Math.floor(next() * input.data.length);
      const moved = (by: number) => {
        const data = Float64Array.from(input.data);
        data[i] = (data[i] as number) + by;
        return loss({ ...given, [name]: { ...input, data } });
      };
      // The difference's error: third derivatives · step² / 6, and the loss' rounding / step.
      const difference = (moved(step) - moved(-step)) / (2 * step);
      expect(difference, `d_${name}[${i}]`).to.be.closeTo(
        gradient.data[i] as number,
        1e-6 * Math.max(scale, 1),
      );
    }
  }

  const program = await device.load(device.compile(graph, { precision: 'float32' }), device.createWeights());
  const { outputs } = await program.run(
    Object.fromEntries(
      Object.entries(given).map(([name, { data }]) => [
        name,
        gradientCase.integers?.includes(name) ? Int32Array.from(data) : Float32Array.from(data),
      ]),
    ),
  );
  for (const [name, { data }] of Object.entries(expected))
    expect(relativeError(outputs[name] as Float32Array, data), `${name} on the device`).to.be.below(1e-5);
}

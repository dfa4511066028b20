import { expect } from 'chai';
import { GraphBuilder } from '../../lib/ir/builder.js';
import { isFloat } from '../../lib/ir/tensor-type.js';
import { trainingOperations } from '../../lib/ops/index.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { emptyTensor, type TensorData } from '../../lib/runtime/program.js';
import { type GoldenOperation, type GoldenTensor, goldenTrainingOperations } from '../support/golden.js';

/** Runs one operation of training alone, in float32; outputs by name. */
async function runAlone(
  device: Device,
  { spec, attributes, inputs, outputs }: GoldenOperation,
): Promise<Readonly<Record<string, TensorData>>> {
  const graph = new GraphBuilder(spec.name);
  const values = Object.entries(inputs).map(([name, { type }]) => [name, graph.input(name, type)]);
  const results = graph.add(spec, Object.fromEntries(values), attributes as never);
  for (const name of Object.keys(outputs)) graph.output(name, results[name] as never);
  const compiled = device.compile(graph.build(), { precision: 'float32' });
  const program = await device.load(compiled, device.createWeights());
  try {
    const given = Object.entries(inputs).map(([name, tensor]) => [name, typedArray(tensor)]);
    return (await program.run(Object.fromEntries(given))).outputs;
  } finally {
    program.dispose();
  }
}

function typedArray({ type, data }: GoldenTensor): TensorData {
  const array = emptyTensor(type);
  array.set(data);
  return array;
}

/**
 * The largest difference, relative to the largest number of the tensor, since the errors of sums are relative to what was
 * added and not to what is left of it. Not a number gives Infinity.
 */
function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let [difference, magnitude] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs((actual[i] as number) - (expected[i] as number));
    if (Number.isNaN(distance)) return Infinity;
    difference = Math.max(difference, distance);
    magnitude = Math.max(magnitude, Math.abs(expected[i] as number));
  }
  return magnitude === 0 ? difference : difference / magnitude;
}

/**
 * Sums of m float32 products err by √m · 2⁻²⁴ of their terms' magnitude, 1e-5 up to tens of thousands of terms. More is
 * allowed where an input was rounded to float32 after PyTorch had used all of its digits and the result magnifies that.
 */
function tolerance({ spec, inputs }: GoldenOperation, output: string): number {
  // x̂ = (y − bias) / weight: dividing by a slope of 1/8 and a weight of 1/4 may magnify the rounding of y 32 times.
  const recovered = spec.name === 'batchNormGradient' && inputs.x === undefined;
  return recovered && (output === 'dx' || output === 'dWeight') ? 1e-4 : 1e-5;
}

describe('operations of training, against PyTorch', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(async () => {
    await device.dispose();
  });

  const cases = goldenTrainingOperations();
  for (const { name, facts } of trainingOperations) {
    // A pass always replaces the first; allReduce wants a group of devices: test/runtime/group.test.ts; dropout has other random
    // numbers than PyTorch: test/ops/dropout.test.ts; adjustLossScale counts: test/native/optimiser-ops.test.cpp.
    if (facts.compiledAway || ['allReduce', 'dropout', 'adjustLossScale'].includes(name)) continue;
    const own = cases.filter(({ spec }) => spec.name === name);

    it(`${name} has cases`, () => {
      expect(own).to.not.be.empty;
    });

    for (const golden of own)
      it(golden.name, async () => {
        const outputs = await runAlone(device, golden);
        for (const [output, { type, data }] of Object.entries(golden.outputs)) {
          const actual = outputs[output] as TensorData;
          if (isFloat(type.dataType))
            expect(largestError(actual, data), output).to.be.below(tolerance(golden, output));
          else expect([...actual], output).to.deep.equal([...data]);
        }
      });
  }
});

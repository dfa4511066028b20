import { expect } from 'chai';
import { narrowToBfloat16, widenBfloat16 } from '../../lib/ir/float16.js';
import type { AttributeValues } from '../../lib/ir/op.js';
import { isFloat } from '../../lib/ir/tensor-type.js';
import { type Device, openDevice } from '../../lib/runtime/device.js';
import { ops, type Tensor } from '../../lib/runtime/operations.js';
import { relativeError } from '../support/compare.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { type GoldenOperation, type GoldenTensor, goldenOperations } from '../support/golden.js';

type AnyOperation = (
  inputs: Record<string, Tensor>,
  attributes: object,
  options: { device: Device },
) => Promise<Record<string, Tensor>>;

const arrays = {
  float32: Float32Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
};

function tensor({ type, data }: GoldenTensor): Tensor {
  return { data: arrays[type.dataType].from(data), shape: type.shape, dataType: type.dataType };
}

/** The attributes of an operation whose activations are bfloat16. */
function inBfloat16({ spec, attributes }: GoldenOperation): AttributeValues {
  const { outputType } = spec.attributes;
  const says = outputType?.kind === 'enum' && outputType.of.includes('bfloat16');
  return says ? { ...attributes, outputType: 'bfloat16' } : attributes;
}

/** Activations in bfloat16; what a spec calls exact stays. */
function rounded(name: string, golden: GoldenTensor, { spec }: GoldenOperation): Tensor {
  if (golden.type.dataType !== 'float32' || spec.facts.exactInputs?.includes(name)) return tensor(golden);
  return { data: narrowToBfloat16(golden.data), shape: golden.type.shape, dataType: 'bfloat16' };
}

function numbers({ data, dataType }: Tensor): ArrayLike<number> {
  return dataType === 'bfloat16' ? widenBfloat16(data as Uint16Array) : data;
}

function compare(actual: Tensor, { type, data }: GoldenTensor, tolerance: number, label: string): void {
  expect(actual.shape, label).to.deep.equal(type.shape);
  if (isFloat(type.dataType)) expect(relativeError(numbers(actual), data), label).to.be.below(tolerance);
  else expect([...actual.data], label).to.deep.equal([...data]);
}

describe('operations on typed arrays, against PyTorch', () => {
  let device: Device;
  before(async () => {
    device = await openDevice();
  });
  after(async () => {
    await device.dispose();
  });

  for (const golden of goldenOperations()) {
    // Batch norm exists in graphs alone: the compiler folds it.
    if (golden.spec.facts.compiledAway) continue;
    const operation = ops[golden.spec.name as keyof typeof ops] as unknown as AnyOperation;

    it(`${golden.name} in float32`, async () => {
      const inputs = Object.entries(golden.inputs).map(([name, value]) => [name, tensor(value)] as const);
      const outputs = await operation(Object.fromEntries(inputs), golden.attributes, { device });
      for (const [name, expected] of Object.entries(golden.outputs))
        compare(outputs[name] as Tensor, expected, 1e-5, name);
    });

    const activations = Object.entries(golden.inputs).filter(
      ([name, { type }]) => type.dataType === 'float32' && !golden.spec.facts.exactInputs?.includes(name),
    );
    if (activations.length === 0) continue;
    it(`${golden.name} in bfloat16`, async function () {
      if (!device.supports('bfloat16')) this.skip(); // a processor without it refuses such plans
      const inputs = Object.entries(golden.inputs).map(
        ([name, value]) => [name, rounded(name, value, golden)] as const,
      );
      const outputs = await operation(Object.fromEntries(inputs), inBfloat16(golden), { device });
      for (const [name, expected] of Object.entries(golden.outputs))
        compare(outputs[name] as Tensor, expected, 1.5e-2, name);
    });
  }

  it('cast rounds to nearest even and comes back', async () => {
    const x = {
      data: Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -3.3, 1e30, 0),
      shape: [1, 1, 2, 3],
    };
    const { y } = await ops.cast({ x }, { outputType: 'bfloat16' }, { device });
    expect([...widenBfloat16(y.data as Uint16Array)].slice(0, 3)).to.deep.equal([1, 1, 1 + 2 ** -6]);
    const { y: back } = await ops.cast({ x: y }, { outputType: 'float32' }, { device });
    expect([...back.data]).to.deep.equal([...widenBfloat16(y.data as Uint16Array)]);
    await expectOcrnetError(
      () => ops.cast({ x }, { outputType: 'float16' }, { device }),
      'UNSUPPORTED',
      'cpu does not compute in float16',
    );
  });

  it('name what is wrong with an argument', async () => {
    const x = { data: new Float32Array(12), shape: [1, 2, 2, 3] };
    await expectOcrnetError(
      () => ops.activate({ x: { ...x, shape: [1, 2, 2, 4] } }, { activation: 'relu' }),
      'INVALID_ARGUMENT',
      'expected 16 elements for shape 1×2×2×4, received 12',
    );
    await expectOcrnetError(() => ops.activate({ x }), 'INVALID_ARGUMENT', 'a value for activation');
    await expectOcrnetError(
      () => ops.conv2d({ x, filter: { data: new Float32Array(8), shape: [2, 1, 1, 4] } }),
      'INVALID_GRAPH',
      'does not fit x float32[1×2×2×3]',
    );
  });
});

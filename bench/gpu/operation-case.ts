import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Value } from '../../lib/ir/graph.js';
import { byteLength, elementCount, type TensorType } from '../../lib/ir/tensor-type.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import { aggregateRegions, attendRegions, spatialSoftmax } from '../../lib/ops/index.js';
import { syntheticInput } from '../contexts/synthetic.js';
import { type GpuCase, onDevice, openGpu } from './case.js';
import { PlanContender } from './contender.js';
import { syntheticBfloat16 } from './inputs.js';

export interface RegionSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** Of the features that are gathered. */
  readonly channels: number;
  /** Of queries, keys and values. */
  readonly keyChannels: number;
  readonly classes: number;
}

interface Operation {
  readonly name: string;
  /** As bench/peers/pytorch-gpu.py calls it. */
  readonly operation: 'gather' | 'attend';
  readonly inputs: Readonly<Record<string, TensorType>>;
  readonly add: (builder: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Value;
}

type Tensor = readonly [Precision, pixels: 'map' | 'regions', channels: number];

/** Soft object regions and what each gathers of the features: two operations, of which plans for a GPU make one step. */
function gather(size: RegionSize, precision: Precision): Operation {
  return {
    name: 'spatial softmax and aggregation',
    operation: 'gather',
    inputs: tensors(size, {
      // Class scores are float32 throughout, in bfloat16 networks too.
      logits: ['float32', 'map', size.classes],
      features: [precision, 'map', size.channels],
    }),
    add: (builder, { logits, features }) => {
      const { regions } = builder.add(spatialSoftmax, { logits: logits as Value }, { scale: 1 });
      return builder.add(aggregateRegions, { regions, features: features as Value }, {}).y;
    },
  };
}

function attend(size: RegionSize, precision: Precision): Operation {
  return {
    name: 'pixel-region attention',
    operation: 'attend',
    inputs: tensors(size, {
      query: [precision, 'map', size.keyChannels],
      key: [precision, 'regions', size.keyChannels],
      value: [precision, 'regions', size.keyChannels],
    }),
    add: (builder, inputs) => {
      const { query, key, value } = inputs as Record<'query' | 'key' | 'value', Value>;
      const scale = size.keyChannels ** -0.5;
      return builder.add(attendRegions, { query, key, value }, { scale, ...noActivation }).y;
    },
  };
}

function tensors(
  { batch, height, width, classes }: RegionSize,
  wanted: Readonly<Record<string, Tensor>>,
): Record<string, TensorType> {
  const entries = Object.entries(wanted).map(([name, [dataType, pixels, channels]]) => {
    const shape = pixels === 'map' ? [batch, height, width, channels] : [batch, classes, 1, channels];
    return [name, { dataType, shape }] as const;
  });
  return Object.fromEntries(entries);
}

/**
 * An operation on regions, so often in one plan that the copies' memory passes the GPU's L2 several times: each finds its inputs
 * in memory, not in the cache. PyTorch's side takes turns between as many copies.
 */
function operationCase(
  make: (size: RegionSize, precision: Precision) => Operation,
  size: RegionSize,
  precision: Precision,
  rotatedBytes: number,
): GpuCase {
  const { name, operation, inputs, add } = make(size, precision);
  const builder = new GraphBuilder();
  const one = add(builder, inputsOf(builder, inputs, 'probe'));
  const inputBytes = Object.values(inputs).reduce((sum, type) => sum + byteLength(type), 0);
  const leastBytes = inputBytes + byteLength(one.type);
  const copies = Math.max(1, Math.ceil(rotatedBytes / leastBytes));
  const { batch, height, width, classes } = size;
  return {
    name: `${name}, ${batch}×${height}×${width}, K = ${classes}`,
    precision,
    leastBytes,
    modes: ['graphed', 'eager', 'compiled'],
    open: async () =>
      await onDevice(await openGpu(precision), async (device) => {
        const graph = new GraphBuilder();
        for (let copy = 0; copy < copies; copy++)
          graph.output(`y${copy}`, add(graph.at(`copy${copy}`), inputsOf(graph, inputs, `${copy}`)));
        const compiled = device.compilePrepared(graph.build());
        const program = await device.load(compiled, device.createWeights());
        const data = compiled.graph.inputs.map(({ name, value: { type } }, i) => {
          const fill = type.dataType === 'bfloat16' ? syntheticBfloat16 : syntheticInput;
          return [name, fill(elementCount(type.shape), i)] as const;
        });
        return new PlanContender(device, program, Object.fromEntries(data), copies);
      }),
    describe: async () => ({
      kind: 'operation',
      operation,
      copies,
      inputs: Object.values(inputs).map(({ shape }) => shape),
    }),
  };
}

const inputsOf = (
  builder: GraphBuilder,
  types: Readonly<Record<string, TensorType>>,
  copy: string,
): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(types).map(([name, type]) => [name, builder.input(`${name}${copy}`, type)] as const),
  );

export const gatherCase = (size: RegionSize, precision: Precision, rotatedBytes: number): GpuCase =>
  operationCase(gather, size, precision, rotatedBytes);

export const attendCase = (size: RegionSize, precision: Precision, rotatedBytes: number): GpuCase =>
  operationCase(attend, size, precision, rotatedBytes);

import { join } from 'node:path';
import { writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import { checkpointTensors, eachWeight } from '../../lib/checkpoint/weights.js';
import { lower } from '../../lib/compile/compile.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { type Graph, readersOf } from '../../lib/ir/graph.js';
import { erase } from '../../lib/ir/op.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule, type ModuleSize } from '../../lib/models/contexts/index.js';
import { cast } from '../../lib/ops/index.js';
import { type ContextModule, formatInput } from '../contexts/modules.js';
import { syntheticInput, syntheticWeights } from '../contexts/synthetic.js';
import { type GpuCase, onDevice, openGpu } from './case.js';
import { PlanContender } from './contender.js';
import { syntheticBfloat16 } from './inputs.js';

/** A context module alone, whose features come in the precision in which a backbone leaves them. */
export function moduleCase(
  { name, kind }: Pick<ContextModule, 'name' | 'kind'>,
  size: ModuleSize,
  precision: Precision,
  channels?: number,
): GpuCase {
  const config = contextConfig(kind, { channels });
  const build = () => buildContextModule(size, config);
  return {
    name: `${name} module, ${formatInput(size)}`,
    precision,
    modes: ['eager', 'graphed', 'compiled'],
    open: async () =>
      await onDevice(await openGpu(precision), async (device) => {
        const compiled = device.compilePrepared(withoutInputCasts(lower(build(), precision)));
        const weights = device.createWeights();
        for (const [parameter, data] of eachWeight(compiled.graph, syntheticWeights()))
          weights.set(parameter.name, parameter.value.type.shape, data);
        const inputs = compiled.graph.inputs.map(({ name, value: { type } }, i) => {
          const make = type.dataType === 'bfloat16' ? syntheticBfloat16 : syntheticInput;
          return [name, make(elementCount(type.shape), i)] as const;
        });
        return new PlanContender(device, await device.load(compiled, weights), Object.fromEntries(inputs));
      }),
    async describe(folder) {
      const weights = join(folder, 'weights.safetensors');
      const graph = build();
      await writeSafetensors(weights, checkpointTensors(graph, syntheticWeights()));
      return { kind: 'module', ...size, config, inputs: graph.inputs.length, weights };
    },
  };
}

/** The graph that is given what its casts would make of inputs that nobody else reads. */
export function withoutInputCasts(graph: Graph): Graph {
  const readers = readersOf(graph);
  const casts = graph.inputs.map(({ value }) => {
    const [reader, ...others] = readers.get(value) ?? [];
    return others.length === 0 && reader?.spec === erase(cast) ? reader : undefined;
  });
  return {
    ...graph,
    inputs: graph.inputs.map(({ name, value }, i) => ({ name, value: casts[i]?.outputs.y ?? value })),
    nodes: graph.nodes.filter((node) => !casts.includes(node)),
  };
}

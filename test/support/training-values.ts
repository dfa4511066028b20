import type { Graph } from '../../lib/ir/graph.js';
import { randomBytes, randomNumbers, randomTensor } from './random.js';
import type { ReferenceTensor } from './reference-tensor.js';

/** Values for everything that a training graph of that size reads, by name; some labels are 255, which is ignored. */
export function trainingValues(
  graph: Graph,
  size: {
    readonly batch: number;
    readonly height: number;
    readonly width: number;
    readonly classes: number;
  },
): Record<string, ReferenceTensor> {
  const next = randomNumbers(7);
  const values: Record<string, ReferenceTensor> = {
    image: randomBytes([size.batch, size.height, size.width, 3], next),
    labels: randomBytes([size.batch, size.height, size.width], next),
    schedule: { shape: [2], data: Float64Array.of(0.1, 1) },
    noise: { shape: [4], data: Float64Array.of(5, 0, 2, 0) },
  };
  const { data } = values.labels as ReferenceTensor;
  for (const [i, value] of data.entries()) data[i] = value < 40 ? 255 : value % size.classes;
  for (const { parts } of graph.states)
    for (const { name, value } of parts) {
      const positive = /bn\d\.weight|\.1\.weight|running_var/.test(name);
      values[name] = randomTensor(value.type.shape, next, positive ? 0.5 : -0.6, positive ? 1.5 : 0.6);
    }
  for (const { name, source } of graph.parameters)
    if (source.kind === 'derived') {
      const numbers = source.compute([]);
      values[name] = { shape: [numbers.length], data: Float64Array.from(numbers) };
    }
  return values;
}

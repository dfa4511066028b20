import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Graph } from '../../lib/ir/graph.js';
import type { Shape } from '../../lib/ir/tensor-type.js';
import type { ReferenceTensor } from './reference-tensor.js';

export interface OnnxOutput {
  readonly type: string;
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/** Runs an exported file in onnxruntime on inputs in the graph's own layout and type. */
export async function runOnnx(
  file: Uint8Array,
  graph: Graph,
  inputs: Readonly<Record<string, ReferenceTensor>>,
): Promise<Record<string, OnnxOutput>> {
  const session = await InferenceSession.create(file, { intraOpNumThreads: 2, logSeverityLevel: 3 });
  const feeds = graph.inputs.map(({ name, value }) => {
    const { data } = inputs[name] as ReferenceTensor;
    const tensor =
      value.type.dataType === 'uint8'
        ? new Tensor('uint8', Uint8Array.from(data), value.type.shape)
        : new Tensor('float32', Float32Array.from(data), value.type.shape);
    return [name, tensor] as const;
  });
  const outputs = await session.run(Object.fromEntries(feeds));
  const results = Object.entries(outputs).map(
    ([name, { type, dims, data }]) => [name, { type, shape: dims, data: data as ArrayLike<number> }] as const,
  );
  await session.release();
  return Object.fromEntries(results);
}

/** (N, C, H, W) numbers from onnxruntime as (N, H, W, C), the graph's layout; others as they are. */
export function toGraphLayout({ shape, data }: OnnxOutput): ArrayLike<number> {
  if (shape.length !== 4) return data;
  const [batch, channels, height, width] = shape as unknown as [number, number, number, number];
  const pixels = height * width;
  const result = new Float64Array(data.length);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let pixel = 0; pixel < pixels; pixel++)
        result[(n * pixels + pixel) * channels + c] = data[(n * channels + c) * pixels + pixel] as number;
  return result;
}

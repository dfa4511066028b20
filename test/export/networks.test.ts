import { expect } from 'chai';
import onnxProto from 'onnx-proto';
import { eachWeight, type ReadParameter } from '../../lib/checkpoint/weights.js';
import { lower } from '../../lib/compile/compile.js';
import { exportOnnx } from '../../lib/export/onnx/index.js';
import type { Graph, Parameter } from '../../lib/ir/graph.js';
import { withDropout } from '../../lib/models/contexts/defaults.js';
import { modelConfig } from '../../lib/models/registry.js';
import { buildSegmenter } from '../../lib/models/segmenter.js';
import { initialiser } from '../../lib/nn/initialise.js';
import { relativeError } from '../support/compare.js';
import { runOnnx, toGraphLayout } from '../support/onnxruntime.js';
import { randomBytes, randomNumbers } from '../support/random.js';
import { runReference } from '../support/reference-graph.js';
import { tinyNetwork } from '../support/tiny-network.js';

/** Fresh weights, but with statistics that make a forgotten or misplaced batch norm show. */
function livelyWeights(): ReadParameter {
  const read = initialiser(5);
  const known = new Map<string, Float32Array>();
  const make = (parameter: Parameter): Float32Array => {
    const data = read(parameter);
    const next = randomNumbers(parameter.name.length);
    if (/running_mean$/.test(parameter.name)) return data.map(() => 0.2 * next() - 0.1);
    return /running_var$/.test(parameter.name) ? data.map(() => 0.5 + next()) : data;
  };
  return (parameter) => {
    const data = known.get(parameter.name) ?? make(parameter);
    known.set(parameter.name, data);
    return data;
  };
}

function build(model: string, [batch, height, width]: readonly number[]): Graph {
  const outputs = ['logits', ...(model.startsWith('ocrnet') ? (['regions'] as const) : [])] as const;
  return buildSegmenter(modelConfig(model, { classes: 7 }), {
    batch: batch as number,
    height: height as number,
    width: width as number,
    outputs,
  });
}

async function run(graph: Graph, read: ReadParameter): Promise<Record<string, ArrayLike<number>>> {
  const image = randomBytes(graph.inputs[0]?.value.type.shape ?? [], randomNumbers(3));
  const outputs = await runOnnx(exportOnnx(graph, read), graph, { image });
  return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, toGraphLayout(output)]));
}

describe('whole networks in onnxruntime', () => {
  for (const [model, ...size] of [
    ['ocrnet-hrnet-w18-small', 1, 65, 129],
    ['ocrnet-mobilenet-v2', 3, 97, 33],
  ] as const)
    it(`${model} at ${size.join('×')} gives the same before and after the compiler's passes`, async () => {
      const graph = build(model, size);
      const read = livelyWeights();
      const before = await run(graph, read);
      const after = await run(lower(graph, 'float32'), read);
      expect(Object.keys(after)).to.have.members(Object.keys(before));
      for (const [name, values] of Object.entries(after))
        expect(relativeError(values, before[name] as ArrayLike<number>), name).to.be.at.most(1e-4);
      // Untrained networks amplify rounding; here it must only be there and not be nonsense.
      const rounded = await run(lower(graph, 'bfloat16'), read);
      for (const [name, values] of Object.entries(rounded))
        expect(relativeError(values, before[name] as ArrayLike<number>), `${name}, bfloat16`).to.be.within(
          1e-5,
          0.1,
        );
    });

  it('have no dropout, which training alone has', () => {
    const bytes = (rate: number) => {
      const network = tinyNetwork(7);
      const config = { ...network, context: withDropout(network.context, rate) };
      const graph = buildSegmenter(config, { batch: 1, height: 33, width: 33, outputs: ['logits'] });
      return exportOnnx(lower(graph, 'float32'), initialiser(5));
    };
    const model = onnxProto.onnx.ModelProto.decode(bytes(0.5));
    expect(model.graph?.node?.map(({ opType }) => opType))
      .to.include('Conv')
      .and.not.include('Dropout');
    expect(Buffer.compare(bytes(0.5), bytes(0))).to.equal(0);
  });

  it('a network agrees with the float64 loops', async () => {
    const graph = build('ocrnet-hrnet-w18-small', [1, 33, 17]);
    const read = livelyWeights();
    const received = await run(graph, read);
    const weights = [...eachWeight(graph, read)].map(
      ([{ name, value }, data]) =>
        [name, { shape: value.type.shape, data: Float64Array.from(data) }] as const,
    );
    const image = randomBytes([1, 33, 17, 3], randomNumbers(3));
    const expected = runReference(graph, { ...Object.fromEntries(weights), image });
    for (const [name, values] of Object.entries(received))
      expect(relativeError(values, expected[name]?.data ?? []), name).to.be.at.most(1e-5);
  });
});

import { eachWeight } from '../../lib/checkpoint/weights.js';
import type { Precision } from '../../lib/compile/passes/assign-precision.js';
import { elementCount } from '../../lib/ir/tensor-type.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { buildContextModule } from '../../lib/models/contexts/index.js';
import { type Device, type DeviceOptions, openDevice } from '../../lib/runtime/device.js';
import { TrainingProgram } from '../../lib/train/training-program.js';
import { contextModules } from '../contexts/modules.js';
import { syntheticInput, syntheticWeights } from '../contexts/synthetic.js';
import { relativeDistance } from '../relative-distance.js';
import { loadNetwork, pictures } from './network-case.js';
import { Report } from './report.js';
import type { SizedNetwork, SuiteSizes } from './sizes.js';
import { learningRate, noiseBatch, trainingOptions } from './training-case.js';

/**
 * How far from the processor's float32 a result may be, ‖difference‖ / ‖result‖. The operations' own tests are strict; through a
 * hundred layers roundings add up, and what these numbers have to tell apart is another network.
 */
const tolerances = { float32: 1e-3, tf32: 3e-2, bfloat16: 1e-1, float16: 3e-2 };

type Arithmetic = keyof typeof tolerances;
const arithmetics = ['float32', 'tf32', 'bfloat16', 'float16'] as const;

const gpuOptions: Readonly<Record<Arithmetic, DeviceOptions>> = {
  float32: { device: 'cuda' },
  tf32: { device: 'cuda', tf32: true },
  bfloat16: { device: 'cuda' },
  float16: { device: 'cuda' },
};
const precisionOf = (arithmetic: Arithmetic): Precision => (arithmetic === 'tf32' ? 'float32' : arithmetic);

interface NetworkResult {
  readonly name: string;
  readonly arithmetic: Arithmetic;
  /** By the algorithms that are fastest by the clock; else by those that estimates choose. */
  readonly tuned: boolean;
  readonly passed: boolean;
  /** ‖ours on the GPU − on the processor in float32‖ / ‖the latter‖. */
  readonly relativeError?: number;
  readonly tolerance: number;
  readonly failure?: string;
}

/** Something that both devices compute. */
interface Check {
  readonly name: string;
  /** Of the GPU, in which it can be told from another network. */
  readonly arithmetics: readonly Arithmetic[];
  /** In which the algorithms that are fastest by the clock compute it, too: among them are kernels that nothing else chooses. */
  readonly tuned?: readonly Arithmetic[];
  readonly compute: (device: Device, precision: Precision) => Promise<Float32Array>;
}

/** Modules, networks and training steps on the GPU against the processor, in every arithmetic that the GPU has. */
export async function checkNetworks(out: string, sizes: SuiteSizes): Promise<boolean> {
  const report = await Report.open<NetworkResult>(out, 'networks');
  for (const check of [
    ...contextModules.map(({ name, kind }) => moduleCheck(name, kind, sizes)),
    ...sizes.checkedNetworks.map(networkCheck),
    ...sizes.checkedTraining.flatMap((one) => [trainingCheck(one), lossCheck(one)]),
  ]) {
    const expected = await expectedOf(check);
    for (const [arithmetic, tuning] of waysOf(check)) {
      const result = await compare(check, arithmetic, tuning, expected);
      await report.add(result);
      const { name, passed, relativeError, failure } = result;
      const verdict = passed ? 'passed' : 'FAILED';
      const how = `${arithmetic}${tuning ? ', tuned' : ''}`;
      console.log(`${name}, ${how}: ${verdict}, ${failure ?? relativeError?.toExponential(1)}`);
    }
  }
  await report.finish();
  return report.entries.every(({ passed }) => passed);
}

/** Arithmetics, and the table of tuning where algorithms are chosen by the clock. */
function waysOf({ arithmetics, tuned = [] }: Check): (readonly [Arithmetic, string | undefined])[] {
  const tuning = process.env.OCRNET_GPU_TUNING;
  const plain = arithmetics.map((arithmetic) => [arithmetic, undefined] as const);
  return tuning ? [...plain, ...tuned.map((arithmetic) => [arithmetic, tuning] as const)] : plain;
}

async function expectedOf({ compute }: Check): Promise<Float32Array | Error> {
  try {
    await using device = await openDevice({ device: 'cpu' });
    return await compute(device, 'float32');
  } catch (error) {
    return error as Error;
  }
}

async function compare(
  { name, compute }: Check,
  arithmetic: Arithmetic,
  tuning: string | undefined,
  expected: Float32Array | Error,
): Promise<NetworkResult> {
  const tolerance = tolerances[arithmetic];
  const way = { name, arithmetic, tuned: tuning !== undefined, tolerance };
  try {
    if (expected instanceof Error) throw expected;
    await using device = await openDevice({ ...gpuOptions[arithmetic], ...(tuning && { tuning }) });
    const relativeError = relativeDistance(await compute(device, precisionOf(arithmetic)), expected);
    return { ...way, passed: relativeError <= tolerance, relativeError };
  } catch (error) {
    return { ...way, passed: false, failure: (error as Error).message };
  }
}

function moduleCheck(
  name: string,
  kind: (typeof contextModules)[number]['kind'],
  { checkedModule: size, moduleChannels: channels }: SuiteSizes,
): Check {
  return {
    name: `${name} module`,
    arithmetics,
    tuned: name === 'OCR' ? ['tf32', 'bfloat16', 'float16'] : [],
    async compute(device, precision) {
      const graph = buildContextModule(size, contextConfig(kind, { channels }));
      const compiled = device.compile(graph, { precision });
      const weights = device.createWeights();
      for (const [parameter, data] of eachWeight(compiled.graph, syntheticWeights()))
        weights.set(parameter.name, parameter.value.type.shape, data);
      const program = await device.load(compiled, weights);
      const inputs = compiled.graph.inputs.map(
        ({ name, value }, i) => [name, syntheticInput(elementCount(value.type.shape), i)] as const,
      );
      const { outputs } = await program.run(Object.fromEntries(inputs));
      return outputs.representation as Float32Array;
    },
  };
}

const networkCheck = ({ network, size }: SizedNetwork): Check => ({
  name: network.name,
  arithmetics,
  async compute(device, precision) {
    const program = await loadNetwork(device, network.config, size, precision);
    const { outputs } = await program.run({ image: pictures(size) });
    return outputs.logits as Float32Array;
  },
});

/**
 * What a step changes of the parameters. In float32 alone: before training the region vectors are all but equal, and batch norms
 * that divide by their deviation make of roundings to few bits half of the gradient, in PyTorch as here.
 */
const trainingCheck = ({ network, size }: SizedNetwork): Check => ({
  name: `training of ${network.name}`,
  arithmetics: ['float32'],
  async compute(device, precision) {
    const options = trainingOptions(size, precision);
    using program = await TrainingProgram.create(device, network.config, options);
    const before = await program.state.read('parameters');
    await program.step([noiseBatch(size, network.config.classes)], { learningRate, step: 0 });
    const after = await program.state.read('parameters');
    return after.map((value, i) => value - (before[i] as number));
  },
});

/** The losses of some steps, each of which sees what the one before it changed. */
const lossCheck = ({ network, size }: SizedNetwork): Check => ({
  name: `losses of ${network.name}`,
  arithmetics,
  tuned: ['bfloat16'],
  async compute(device, precision) {
    const options = trainingOptions(size, precision);
    using program = await TrainingProgram.create(device, network.config, options);
    const batch = noiseBatch(size, network.config.classes);
    const losses: number[] = [];
    for (let step = 0; step < 3; step++)
      losses.push((await program.step([batch], { learningRate, step })).loss);
    return Float32Array.from(losses);
  },
});

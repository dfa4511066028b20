import type { Target } from '../compile/target.js';
import { typesOf, type Value } from '../ir/graph.js';
import { type AnyOpSpec, type AttributeValues, erase } from '../ir/op.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient, conv2dMoments } from '../ops/index.js';

const convolution = erase(conv2d);
const convolutionWithMoments = erase(conv2dMoments);
const inputGradient = erase(conv2dInputGradient);
const filterGradient = erase(conv2dFilterGradient);

/** The CPU as the compiler sees it. `inspect` asks the native device. */
export function cpuTarget(inspect: Target['inspect']): Target {
  return {
    name: 'cpu',
    unsupported: ({ spec }) => (spec.facts.compiledAway ? 'it is always compiled away' : undefined),
    // oneDNN's convolutions want dense tensors and would pay for a slice with a copy; ours do not mind, and matrix products
    // are cut into pieces that are copied within the cache.
    slicesFreely: ({ spec, inputs, outputs, attributes }) => {
      if (isConvolution(spec) && isFloat32Product(inputs, attributes)) return true;
      if (isConvolution(spec) || spec === inputGradient)
        return isWinograd(inputs.x ?? inputs.dy, inputs.filter, attributes);
      return spec !== filterGradient || isSumOfProducts(outputs.dFilter, attributes);
    },
    inspect,
  };
}

const isConvolution = (spec: AnyOpSpec): boolean => spec === convolution || spec === convolutionWithMoments;

/** Pointwise convolutions; the bfloat16 ones are too fast for copies even within the cache. */
function isFloat32Product(inputs: Readonly<Record<string, Value>>, attributes: AttributeValues): boolean {
  const types = typesOf(inputs);
  return types.x?.dataType === 'float32' && convolution.facts.mapsPixels?.(types, attributes) === true;
}

/**
 * The convolutions that the device computes by its own Winograd algorithm, and the gradients of such: float32, 3×3, stride 1,
 * more than a few channels.
 */
function isWinograd(x: Value | undefined, filter: Value | undefined, attributes: AttributeValues): boolean {
  const [outputs = 0, height, width, channels = 0] = filter?.type.shape ?? [];
  return (
    x?.type.dataType === 'float32' &&
    height === 3 &&
    width === 3 &&
    attributes.stride === 1 &&
    attributes.groups === 1 &&
    Math.min(outputs, channels) >= 32
  );
}

/** The filters' gradients that the device sums from pixels or tiles wherever they lie: of more than a few channels. */
function isSumOfProducts(dFilter: Value | undefined, { groups }: AttributeValues): boolean {
  const [outputs = 0, , , channels = 0] = dFilter?.type.shape ?? [];
  return groups === 1 && Math.min(outputs, channels) >= 32;
}

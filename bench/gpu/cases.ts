import { contextModules } from '../contexts/modules.js';
import type { GpuCase } from './case.js';
import { moduleCase } from './module-case.js';
import { networkCase } from './network-case.js';
import { isWanted } from './only.js';
import { attendCase, gatherCase } from './operation-case.js';
import type { SuiteSizes } from './sizes.js';
import { trainingCase } from './training-case.js';

/** What is timed, in the order in which it matters: the time on a machine with a GPU may end before the list does. */
export function suiteCases(sizes: SuiteSizes): GpuCase[] {
  const { module: size, moduleChannels, regions, rotatedBytes, networks, training } = sizes;
  const isOcr = ({ kind }: { readonly kind: string }) => kind === 'ocr';
  const ocr = contextModules.filter(isOcr);
  const others = contextModules.filter((module) => !isOcr(module));
  const modules = (list: typeof contextModules, precision: 'float32' | 'bfloat16') =>
    list.map((module) => moduleCase(module, size, precision, moduleChannels));
  const cases = [
    ...modules(ocr, 'bfloat16'),
    ...regions.flatMap((region) => [
      gatherCase(region, 'bfloat16', rotatedBytes),
      attendCase(region, 'bfloat16', rotatedBytes),
    ]),
    ...networks.map((one) => networkCase(one.network, one.size, 'bfloat16')),
    ...training.map((one) => trainingCase(one.network, one.size, 'bfloat16')),
    ...modules(ocr, 'float32'),
    ...modules(others, 'bfloat16'),
    ...networks.slice(0, 1).map((one) => networkCase(one.network, one.size, 'float32')),
    ...training.map((one) => trainingCase(one.network, one.size, 'float32')),
  ];
  return cases.filter(({ name }) => isWanted(name));
}

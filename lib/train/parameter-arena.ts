import { createHash } from 'node:crypto';
import { OcrnetError } from '../errors.js';
import type { Parameter, StatePart } from '../ir/graph.js';
import { elementCount } from '../ir/tensor-type.js';
import type { ParameterRange } from '../optim/index.js';
import { contextPrefix, hasPrefix } from './parameter-prefix.js';

/** How parameters are told apart in training. */
export interface ParameterGroups {
  /**
   * Times the learning rate, for parameters whose name starts with the prefix; the longest prefix counts. `context` means all
   * that are not the backbone's.
   */
  readonly learningRateScales?: Readonly<Record<string, number>>;
  /** Whether vectors (the weights and biases of batch norms, biases) decay too, as in the published recipes. By default so. */
  readonly decayVectors?: boolean;
}

/**
 * The parameters and running statistics of a network in training, each kind one behind the other in one flat vector.
 * Parameters that are trained alike are neighbours, so that the optimiser is a step for each range of them.
 */
export class ParameterArena {
  /** In the order of the arena. */
  readonly trained: readonly Parameter[];
  readonly parameters: readonly StatePart[];
  readonly statistics: readonly StatePart[];
  readonly parameterCount: number;
  readonly statisticCount: number;
  readonly ranges: readonly ParameterRange[];
  /** A short text that is equal for two arenas exactly if everything lies in the same place in both. */
  readonly layout: string;

  private constructor(trained: readonly Parameter[], statistics: readonly Parameter[], groups: Grouping) {
    this.trained = trained;
    [this.parameters, this.parameterCount] = layOut(trained);
    [this.statistics, this.statisticCount] = layOut(statistics);
    this.ranges = rangesOf(trained, groups);
    const places = [this.parameters, this.statistics].map((parts) =>
      parts.map(({ name, offset }) => [name, offset]),
    );
    this.layout = createHash('sha256').update(JSON.stringify(places)).digest('hex').slice(0, 16);
  }

  /** @throws OcrnetError INVALID_ARGUMENT for a prefix that no parameter has */
  static of(parameters: readonly Parameter[], groups: ParameterGroups): ParameterArena {
    const stored = parameters.filter(({ source }) => source.kind === 'stored');
    const isTrained = ({ source }: Parameter) => source.kind === 'stored' && source.trainable;
    const trained = stored.filter(isTrained);
    for (const prefix of Object.keys(groups.learningRateScales ?? {}))
      if (!trained.some(({ name }) => hasPrefix(name, prefix)))
        throw new OcrnetError('INVALID_ARGUMENT', `No parameter starts with "${prefix}"`, {
          expected: `a prefix of names as ${trained[0]?.name ?? 'none'}`,
          received: prefix,
        });
    const grouping = groupingOf(groups);
    const keys = [...new Set(trained.map(grouping.keyOf))];
    const sorted = keys.flatMap((key) => trained.filter((parameter) => grouping.keyOf(parameter) === key));
    return new ParameterArena(
      sorted,
      stored.filter((parameter) => !isTrained(parameter)),
      grouping,
    );
  }
}

interface Grouping {
  readonly scaleOf: (parameter: Parameter) => number;
  readonly decays: (parameter: Parameter) => boolean;
  readonly keyOf: (parameter: Parameter) => string;
}

function groupingOf({ learningRateScales = {}, decayVectors = true }: ParameterGroups): Grouping {
  // What names a part of the context says more than what names all of it.
  const detail = (prefix: string) => (prefix === contextPrefix ? 0 : prefix.length);
  const prefixes = Object.entries(learningRateScales).sort(([a], [b]) => detail(b) - detail(a));
  const scaleOf = ({ name }: Parameter) => prefixes.find(([prefix]) => hasPrefix(name, prefix))?.[1] ?? 1;
  const decays = ({ value }: Parameter) => decayVectors || value.type.shape.length > 1;
  return { scaleOf, decays, keyOf: (parameter) => `${scaleOf(parameter)} ${decays(parameter)}` };
}

function layOut(parameters: readonly Parameter[]): [StatePart[], number] {
  let offset = 0;
  const parts = parameters.map(({ name, value }) => {
    const part = { name, value, offset };
    offset += elementCount(value.type.shape);
    return part;
  });
  return [parts, offset];
}

function rangesOf(trained: readonly Parameter[], { scaleOf, decays, keyOf }: Grouping): ParameterRange[] {
  const ranges: (ParameterRange & { readonly key: string })[] = [];
  let first = 0;
  for (const parameter of trained) {
    const count = elementCount(parameter.value.type.shape);
    const key = keyOf(parameter);
    const last = ranges.at(-1);
    if (last?.key === key) ranges[ranges.length - 1] = { ...last, count: last.count + count };
    else
      ranges.push({
        key,
        first,
        count,
        learningRateScale: scaleOf(parameter),
        decayed: decays(parameter),
      });
    first += count;
  }
  return ranges;
}

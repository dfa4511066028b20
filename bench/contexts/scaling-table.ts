import { formatMs } from '../../lib/terminal/format.js';
import { list, markdownTable, mebibytes } from '../markdown.js';
import { formatExponent, type PowerLaw } from '../power-law.js';
import { whereabouts } from './about.js';
import type { Growth, Measured, ScalingAbout, ScalingResult } from './scaling.js';

/** Time and memory by size, and the exponents of their growth, as Markdown. */
export function scalingMarkdown(results: readonly ScalingResult[], about: ScalingAbout): string {
  const peer = results.some(({ exponents }) => exponents.pytorch) ? ', PyTorch in turn with ours' : '';
  const channels = [...new Set(results.map((result) => result.channels))].join(', ');
  const skipped = results.flatMap((result) => result.skipped.map((reason) => `${result.module}, ${reason}`));
  const sections = [
    '# How context modules grow with their input',
    `Square features of ${channels} channels, ${whereabouts(about)}${peer}. Medians of ${about.runs} ` +
      `${about.runs === 1 ? 'run' : 'runs'}. Where one run takes longer than ${about.limitMs / 1000} s, no larger size is tried.`,
    `**Time**\n\n${table(results, 'time', ({ medianMs }) => formatMs(medianMs))}`,
    `**Memory beyond the input, MiB**\n\n${table(results, 'memory', ({ measuredBytes }) => mebibytes(measuredBytes))}`,
    ...(skipped.length > 0 ? [`**Not run**\n\n${list(skipped)}`] : []),
    'An exponent is that of the number of pixels, fitted to the upper half of the sizes that ran by least squares of the ' +
      'logarithms: 1 grows as the map itself, 2 as its pairs of pixels. Nothing is extrapolated. Memory is measured, beyond the ' +
      'input and the weights, the result included.',
  ];
  return `${sections.join('\n\n')}\n`;
}

function table(
  results: readonly ScalingResult[],
  quantity: keyof Growth,
  cell: (measured: Measured) => string,
): string {
  const all = results.flatMap(({ points }) => points.map(({ side }) => side));
  const sides = [...new Set(all)].sort((a, b) => a - b);
  const row = (name: string, measured: readonly (Measured | undefined)[], growth: Growth) => [
    name,
    ...measured.map((one) => (one ? cell(one) : '–')),
    exponentOf(growth[quantity]),
  ];
  return markdownTable(
    ['module', ...sides.map((side) => `${side}²`), 'exponent'],
    results.flatMap(({ module, points, exponents }) => {
      const own = sides.map((side) => points.find((point) => point.side === side));
      const theirs = own.map((point) => point?.pytorch);
      return [
        row(module, own, exponents.ours),
        ...(exponents.pytorch ? [row(`${module}, PyTorch`, theirs, exponents.pytorch)] : []),
      ];
    }),
  );
}

const exponentOf = (law: PowerLaw | undefined): string => (law ? formatExponent(law) : '–');

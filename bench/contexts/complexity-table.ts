import { formatMs } from '../../lib/terminal/format.js';
import { list, markdownTable, mebibytes } from '../markdown.js';
import { type About, whereabouts } from './about.js';
import type { FormResult, ModuleResult, PyTorchResult } from './measure.js';
import { contextModules, formatInput, paperSize, unreproducible } from './modules.js';

/** The results beside the paper's Table 4, as Markdown. */
export function complexityMarkdown(results: readonly ModuleResult[], about: About): string {
  const peer = results.find(({ pytorch }) => pytorch)?.pytorch?.peer;
  const missing = unreproducible.filter(({ kinds }) => results.some(({ kind }) => kinds.includes(kind)));
  const sections = [
    `# Context modules beside the paper’s Table 4`,
    conditions(results, about, peer),
    table(results, peer !== undefined),
    `**By time**\n\n${list(rankings(results))}`,
    ...verdict(results),
    `**Cells of the paper that cannot be reproduced**\n\n${list(missing.map(({ cells, reason }) => `${cells}: ${reason}.`))}`,
    `**How to read it**\n\n${list(notes(results, about, peer))}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

function conditions(results: readonly ModuleResult[], about: About, peer: string | undefined): string {
  const inputs = [...new Set(results.map(({ input }) => input))].join(', ');
  const against = peer ? `, in turn with ${peer}` : '';
  return (
    `Input ${inputs}, ${whereabouts(about)}${against}. The columns “paper” are the cells of its Table 4: ` +
    `${formatInput(paperSize)} on an NVIDIA P40.`
  );
}

interface Row {
  readonly result: ModuleResult;
  /** The result itself, or its plain form. */
  readonly form: FormResult;
}

interface Column {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Whether it tells a module's forms apart. */
  readonly ofForm?: true;
}

function columns(withPeer: boolean): Column[] {
  const ofPeer = (title: string, cell: (pytorch: PyTorchResult, row: Row) => string): Column => ({
    title,
    cell: (row) => (row.result.pytorch ? cell(row.result.pytorch, row) : '–'),
  });
  return [
    { title: 'M parameters', cell: ({ result }) => millions(result.parameters, 2) },
    { title: 'paper', cell: ({ result }) => millions(result.paper.parameters, 1) },
    { title: 'GFLOP counted', cell: ({ result }) => giga(result.flopsPaperCounting) },
    { title: 'paper', cell: ({ result }) => giga(result.paper.flops, 0) },
    { title: 'GFLOP executed', cell: ({ form }) => giga(form.flopsExecuted), ofForm: true },
    { title: 'MiB planned', cell: ({ form }) => mebibytes(form.plannedBytes), ofForm: true },
    { title: 'measured', cell: ({ form }) => mebibytes(form.measuredBytes), ofForm: true },
    ...(withPeer ? [ofPeer('PyTorch', ({ measuredBytes }) => mebibytes(measuredBytes))] : []),
    { title: 'paper', cell: ({ result }) => mebibytes(result.paper.memoryBytes) },
    { title: 'time', cell: ({ form }) => formatMs(form.medianMs), ofForm: true },
    ...(withPeer
      ? [
          ofPeer('PyTorch', ({ medianMs }) => formatMs(medianMs)),
          {
            ...ofPeer('ratio', ({ medianMs }, { form }) => `${(medianMs / form.medianMs).toFixed(2)}×`),
            ofForm: true as const,
          },
        ]
      : []),
    { title: 'paper', cell: ({ result }) => formatMs(result.paper.ms) },
  ];
}

function table(results: readonly ModuleResult[], withPeer: boolean): string {
  const all = columns(withPeer);
  const titles = ['module', ...all.map(({ title }) => title)];
  const rows = results.flatMap((result) => {
    const { module, plain } = result;
    const whole = [module, ...all.map(({ cell }) => cell({ result, form: result }))];
    if (!plain) return [whole];
    // What both forms have in common stands one line above.
    const rest = all.map(({ cell, ofForm }) => (ofForm ? cell({ result, form: plain }) : ''));
    return [whole, [`${module}, plain`, ...rest]];
  });
  return markdownTable(titles, rows);
}

interface Timed {
  readonly module: string;
  readonly ms: number;
}

function timed(
  results: readonly ModuleResult[],
  time: (result: ModuleResult) => number | undefined,
): readonly Timed[] {
  return results.flatMap((result) => {
    const ms = time(result);
    return ms === undefined ? [] : [{ module: result.module, ms }];
  });
}

const plainTimes = (results: readonly ModuleResult[]) =>
  timed(results, (result) => (result.plain ?? result).medianMs);

function rankings(results: readonly ModuleResult[]): string[] {
  const ranked = (name: string, entries: readonly Timed[]) => {
    const sorted = entries.toSorted((a, b) => a.ms - b.ms);
    return `${name}: ${sorted.map(({ module, ms }) => `${module} ${formatMs(ms)}`).join(' < ')}`;
  };
  const pytorch = timed(results, (result) => result.pytorch?.medianMs);
  return [
    ranked(
      'the paper',
      timed(results, ({ paper }) => paper.ms),
    ),
    ranked('ours, plain', plainTimes(results)),
    ...(results.some(({ plain }) => plain)
      ? [
          ranked(
            'ours',
            timed(results, ({ medianMs }) => medianMs),
          ),
        ]
      : []),
    ...(pytorch.length > 0 ? [ranked('PyTorch', pytorch)] : []),
  ];
}

/** What the paper claims of its Table 4, if all modules were measured. */
function verdict(results: readonly ModuleResult[]): string[] {
  if (!contextModules.every(({ kind }) => results.some((result) => result.kind === kind))) return [];
  const times = plainTimes(results);
  const isLight = ({ module }: Timed) => module === 'OCR' || module === 'Double Attention';
  const slowest = Math.max(...times.filter(isLight).map(({ ms }) => ms));
  const rest = Math.min(...times.filter((one) => !isLight(one)).map(({ ms }) => ms));
  const holds = slowest < rest ? 'holds' : 'does not hold';
  return [`That OCR and Double Attention are faster than all five others ${holds} here in the plain forms.`];
}

function notes(
  results: readonly ModuleResult[],
  { device, runs, plain }: About,
  peer: string | undefined,
): string[] {
  const algorithms = results.map(({ module, algorithms }) => {
    const names = Object.entries(algorithms).map(([name, count]) => `${count} × ${name}`);
    return `${module} ${names.join(', ')}`;
  });
  const forms = results.flatMap((result) => [result, ...(result.plain ? [result.plain] : [])]);
  const off = Math.max(
    ...forms.map(({ plannedBytes, measuredBytes }) => Math.abs(measuredBytes / plannedBytes - 1)),
  );
  const whole = Math.max(...forms.map(({ residentBytes }) => residentBytes));
  return [
    'Parameters are all that is trained. GFLOP are 2 × multiply-adds. Counted: the convolutions and matrix products of the module as ' +
      'it is drawn, as the paper does. Executed: all steps of the plan, each convolution as the direct sum; Winograd’s F(4×4, 3×3) does ' +
      'a quarter of those multiplications.',
    'Memory is beyond the input and the weights. Planned: the arena, and the result beside it. Measured: ' +
      (device === 'cuda'
        ? 'the arena as the device allocated it, and the result. '
        : 'how much the resident memory of a process of its own grew at most in the first run, the weights loaded, the inputs ' +
          'touched; the copies of the inputs that a run makes are taken off. ') +
      `The two differ by at most ${(100 * off).toFixed(1)} %. ` +
      (device === 'cuda'
        ? `At most ${mebibytes(whole)} MiB of the GPU were in use, with weights and the places for inputs and outputs.`
        : `The largest of our processes held ${mebibytes(whole)} MiB in all, with Node.js, weights and the inputs twice.`),
    `Times are medians of ${runs} ${runs === 1 ? 'run' : 'runs'} on the device, without those copies.` +
      (plain ? '' : ' A row “plain” is without the compiler’s algebra, where that gives another plan.'),
    `Convolutions run by: ${algorithms.join('; ')}.`,
    ...(peer ? peerNotes(results, peer) : []),
    ...results.flatMap(({ module, skipped }) =>
      skipped ? [`${module}, PyTorch did not run: ${skipped}.`] : [],
    ),
  ];
}

function peerNotes(results: readonly ModuleResult[], peer: string): string[] {
  const layouts = results.flatMap(({ module, pytorch }) => (pytorch ? [`${module} ${pytorch.layout}`] : []));
  const worst = Math.max(...results.flatMap(({ pytorch }) => pytorch?.relativeError ?? []));
  return [
    `${peer} runs the plain implementation of test/golden/contexts.py in float32, in inference mode, on the same weights and ` +
      `inputs, in the faster of its layouts (${layouts.join(', ')}), its memory measured in the same way. The results differ ` +
      `by at most ${worst.toExponential(1).replace('-', '−')}, relative, in the norm.`,
  ];
}

const millions = (count: number, digits: number): string => (count / 1e6).toFixed(digits);
const giga = (flops: number, digits = 1): string => (flops / 1e9).toFixed(digits);

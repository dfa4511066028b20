import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { list, markdownTable } from '../markdown.js';
import type { ComparisonResult } from './against.js';

interface Phase {
  readonly date: string;
  readonly commit: string;
  readonly complete: boolean;
  readonly skipped?: string;
  readonly results: readonly (Partial<ComparisonResult> & { readonly passed?: boolean })[];
}

/** Puts the newest results of every phase into one page, DATE-gpu-MACHINE.md, and prints it. */
export async function summarise(out: string): Promise<boolean> {
  const newest = new Map<string, string>();
  for (const file of (await readdir(out)).sort()) {
    const [, date, phase, machine] = /^([\d-]{10})-gpu-([a-z]+)-(.+)\.json$/.exec(file) ?? [];
    if (date && phase && machine) newest.set(phase, file);
  }
  if (newest.size === 0) throw new Error(`no results in ${out}`);
  const phases = new Map<string, Phase>();
  for (const [phase, file] of newest) phases.set(phase, JSON.parse(await readFile(join(out, file), 'utf8')));
  const text = page(phases);
  const last = [...newest.values()].sort().at(-1) as string;
  await writeFile(join(out, `${last.replace(/-gpu-[a-z]+-/, '-gpu-').replace(/\.json$/, '')}.md`), text);
  console.log(text);
  return true;
}

function page(phases: ReadonlyMap<string, Phase>): string {
  const [first] = phases.values() as Iterable<Phase> as [Phase];
  const sections = [
    `# GPU suite, ${first.date.slice(0, 10)}, ${first.commit}`,
    list([...phases].map(verdict)),
  ];
  const comparisons = phases.get('pytorch')?.results ?? [];
  if (comparisons.length > 0) sections.push(comparisonTable(comparisons));
  return `${sections.join('\n\n')}\n`;
}

function verdict([name, { results, complete, skipped }]: [string, Phase]): string {
  const bad = results.filter(({ passed, failure }) => passed === false || failure !== undefined).length;
  const state = skipped ? `skipped: ${skipped}` : complete ? 'complete' : 'cut off';
  return `${name}: ${results.length} results, ${bad} bad, ${state}`;
}

function comparisonTable(results: Phase['results']): string {
  const time = (ms: number | undefined) => (ms === undefined ? '–' : `${ms.toFixed(3)} ms`);
  const rows = results.map(({ name = '', precision = '', mode = '', ours, pytorch, ratio, floorMs }) => [
    name,
    precision,
    mode,
    time(ours?.medianMs),
    time(pytorch?.medianMs),
    ratio === undefined ? '–' : `${ratio.toFixed(2)}×`,
    time(floorMs),
  ]);
  return markdownTable(['what', 'type', 'PyTorch', 'ours', 'PyTorch’s', 'ratio', 'floor'], rows);
}

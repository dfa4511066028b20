import { invalidArgument } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import { type EventOf, effectiveEvents, type TrainingEvent } from '../logging/events.js';
import { formatDuration, formatShare } from '../terminal/format.js';
import { classBars, confusionTable } from './class-sections.js';
import { exampleSection } from './examples.js';
import { type Html, html } from './html.js';
import { lineChart } from './line-chart.js';
import { figures, page, section } from './page.js';
import type { ReportData } from './report-data.js';

/**
 * Writes a report of a training or an evaluation as one HTML file that needs nothing else: no scripts, no fonts, no files
 * beside it; a policy in the page forbids them. All texts are escaped.
 *
 * @throws OcrnetError INVALID_ARGUMENT where classes, metrics or labels do not match; FILE_NOT_WRITTEN
 */
export async function writeReport(path: string, data: ReportData): Promise<void> {
  await writeFileAtomic(path, await renderReport(data));
}

/** The report as text. */
export async function renderReport(data: ReportData): Promise<string> {
  const { title, model, data: dataset, recipe, classes, evaluation, examples = [] } = data;
  if (evaluation && evaluation.perClass.length !== classes.length)
    throw invalidArgument('classes', `the ${evaluation.perClass.length} of the evaluation`, classes.length);
  const events = effectiveEvents(data.events ?? []);
  const sections: Html[] = [];
  const charts = chartsOf(events);
  if (charts.length > 0) sections.push(section('Training', html`<div class="charts">${charts}</div>`));
  const measured = evaluation ?? lastOf(events, 'evaluation');
  if (measured?.perClass.length === classes.length)
    sections.push(section('Classes', classBars(measured, classes)));
  if (evaluation) sections.push(section('Confusion', confusionTable(evaluation.confusion, classes)));
  // One after another: each holds several pictures in memory.
  const pictures: Html[] = [];
  for (const example of examples) pictures.push(await exampleSection(example, classes));
  if (pictures.length > 0) sections.push(section('Pictures', pictures));
  if (recipe) sections.push(section('Recipe', html`<pre>${recipe}</pre>`));
  return page({
    kind: 'ocrnet report',
    title,
    subject: html`${model} <span>on</span> ${dataset}`,
    summary: summaryOf(data, events),
    sections,
  });
}

const lastOf = <T extends TrainingEvent['type']>(
  events: readonly TrainingEvent[],
  type: T,
): EventOf<T> | undefined => events.findLast((event): event is EventOf<T> => event.type === type);

/** The numbers that one looks for first. */
function summaryOf({ evaluation }: ReportData, events: readonly TrainingEvent[]): Html | undefined {
  const measured = evaluation ?? lastOf(events, 'evaluation');
  const start = lastOf(events, 'start');
  const end = events.at(-1);
  const all: [name: string, value: string | undefined][] = [
    ['pixel accuracy', measured && formatShare(measured.pixelAccuracy)],
    ['mean accuracy', measured && formatShare(measured.meanAccuracy)],
    ['steps', start && end && `${end.step.toLocaleString('en')} of ${start.steps.toLocaleString('en')}`],
    ['batch', start && String(start.batch)],
    ['time', start && formatDuration(trainingMs(events))],
    ['finished', end && new Date(end.at).toISOString().slice(0, 16).replace('T', ' ')],
    ['device', start?.device],
    ['validation', evaluation && `${evaluation.pictures} pictures`],
  ];
  const given = all.filter((figure): figure is [string, string] => figure[1] !== undefined);
  if (given.length === 0) return undefined;
  return figures(measured && ['mIoU', formatShare(measured.miou)], given);
}

/** Of all sessions, the pauses between them left out. */
function trainingMs(events: readonly TrainingEvent[]): number {
  let [total, before] = [0, Number.NaN];
  for (const { type, at } of events) {
    if (type !== 'start') total += at - before;
    before = at;
  }
  return total;
}

function chartsOf(events: readonly TrainingEvent[]): Html[] {
  const steps = events.filter((event): event is EventOf<'step'> => event.type === 'step');
  const evaluations = events.filter((event): event is EventOf<'evaluation'> => event.type === 'evaluation');
  const charts: Html[] = [];
  if (steps.length > 1) {
    const loss = steps.map(({ step, loss }) => ({ x: step, y: loss }));
    charts.push(
      lineChart({
        title: 'Loss',
        points: loss,
        smooth: true,
        fromZero: true,
        format: (value) => String(Number(value.toPrecision(3))),
      }),
    );
  }
  if (evaluations.length > 0) {
    const miou = evaluations.map(({ step, miou }) => ({ x: step, y: 100 * miou }));
    const format = (value: number) => `${Number(value.toFixed(1))} %`;
    charts.push(lineChart({ title: 'mIoU', points: miou, dots: true, fromZero: true, format }));
  }
  if (steps.length > 1) {
    const rate = steps.map(({ step, learningRate }) => ({ x: step, y: learningRate }));
    const format = (value: number) => (value === 0 ? '0' : value.toPrecision(2).replace(/\.?0+($|e)/, '$1'));
    charts.push(lineChart({ title: 'Learning rate', points: rate, fromZero: true, format }));
  }
  return charts;
}

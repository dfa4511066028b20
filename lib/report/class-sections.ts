import type { Metrics } from '../evaluate/metrics.js';
import type { ClassInfo } from '../image/class-info.js';
import { formatShare } from '../terminal/format.js';
import { type Html, html } from './html.js';
import { swatch } from './pictures.js';

/** A table as large as this can still be read; of more classes, those with the most pixels. */
const mostConfused = 30;

const rgb = ({ colour }: ClassInfo): string => `rgb(${colour.join(' ')})`;
const shareOrNone = (share: number | null): string => (share === null ? '–' : formatShare(share));

/** Intersection over union of each class as a bar in its colour. */
export function classBars({ perClass }: Metrics, classes: readonly ClassInfo[]): Html {
  const total = perClass.reduce((sum, { pixels }) => sum + pixels, 0);
  return html`<table class="classes">
<thead><tr><th>class</th><th class="wide">intersection over union</th><th></th><th>accuracy</th><th>of all pixels</th></tr></thead>
<tbody>
${perClass.map(({ name, iou, accuracy, pixels }, label) => {
  const info = classes[label] as ClassInfo;
  const width = `${(100 * (iou ?? 0)).toFixed(2)}%`;
  return html`<tr><th>${swatch(info)}${name}</th><td class="wide"><div class="track"><div class="bar" style="width: ${width}; background: ${rgb(info)}"></div></div></td><td class="strong">${shareOrNone(iou)}</td><td>${shareOrNone(accuracy)}</td><td>${formatShare(pixels / total)}</td></tr>
`;
})}</tbody>
</table>
`;
}

/** What pixels of each class were taken for: a row sums to 100. Right in one colour, wrong in another. */
export function confusionTable(confusion: Float64Array, classes: readonly ClassInfo[]): Html {
  const labelled = classes.map((_, truth) =>
    confusion.subarray(truth * classes.length, (truth + 1) * classes.length).reduce((sum, n) => sum + n, 0),
  );
  const shown = classes
    .map((_, label) => label)
    .sort((a, b) => (labelled[b] as number) - (labelled[a] as number))
    .slice(0, mostConfused)
    .sort((a, b) => a - b);
  const cell = (truth: number, prediction: number) => {
    const total = labelled[truth] as number;
    const share = total > 0 ? (confusion[truth * classes.length + prediction] as number) / total : 0;
    const percent = Math.round(100 * share);
    // Small errors are what one looks for: the root lifts them.
    const strength = share < 0.002 ? 0 : Math.round(100 * Math.sqrt(share));
    const kind = truth === prediction ? 'right' : 'wrong';
    const title = `${classes[truth]?.name} taken for ${classes[prediction]?.name}: ${formatShare(share)}`;
    return html`<td class="${kind}${strength > 62 ? ' strong' : ''}" style="--s: ${strength}%" title="${title}">${percent > 0 ? percent : ''}</td>`;
  };
  return html`<div class="scroll"><table class="confusion">
<thead><tr><th></th>${shown.map((label) => html`<th><span>${classes[label]?.name}</span></th>`)}</tr></thead>
<tbody>
${shown.map(
  (
    truth,
  ) => html`<tr><th>${classes[truth]?.name}${swatch(classes[truth] as ClassInfo)}</th>${shown.map((prediction) => cell(truth, prediction))}</tr>
`,
)}</tbody>
</table></div>
<p class="note">Rows are the truth, columns what was predicted; per cent of the row’s pixels.${
    shown.length < classes.length
      ? ` The ${shown.length} classes with the most pixels of ${classes.length}.`
      : ''
  }</p>
`;
}

import { Bar } from '../terminal/bar.js';
import { formatDuration } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import type { EventOf, TrainingEvent, TrainingLogger } from './events.js';

export interface TrainingProgressOptions {
  /** Where nobody watches, a line at most so often; by default 30 seconds. */
  readonly everyMs?: number;
}

/** Weight of the newest step in averages: about the last twenty count. */
const newest = 0.1;

/**
 * Shows how a training goes: a bar on a terminal that is watched, else now and then a line. Evaluations, checkpoints and
 * notes are lines of their own in both. Speeds are averages over about the last twenty steps.
 */
export class TrainingProgress implements TrainingLogger {
  /** What is written here while the bar is up comes above it. */
  readonly terminal: Terminal;
  readonly #beneath: Terminal;
  readonly #everyMs: number;
  #bar: Bar | undefined;
  #steps = 0;
  #startedAt = 0;
  #linedAt = Number.NEGATIVE_INFINITY;
  #miou: number | undefined;
  #average: Averages | undefined;
  #lastStep = 0;

  constructor(terminal: Terminal, { everyMs = 30_000 }: TrainingProgressOptions = {}) {
    this.#beneath = terminal;
    this.#everyMs = everyMs;
    this.terminal = {
      ...terminal,
      print: (text) => (this.#bar?.terminal ?? terminal).print(text),
      note: (text) => (this.#bar?.terminal ?? terminal).note(text),
    };
  }

  log(event: TrainingEvent): void {
    const { note } = this.terminal;
    switch (event.type) {
      case 'start':
        this.#start(event);
        break;
      case 'step':
        this.#step(event);
        break;
      case 'evaluation':
        this.#miou = event.miou;
        note(
          `step ${event.step}: mIoU ${percent(event.miou)}, pixel accuracy ${percent(event.pixelAccuracy)}`,
        );
        break;
      case 'checkpoint':
        note(`step ${event.step}: saved ${event.path}${event.best ? ', the best so far' : ''}`);
        break;
      case 'note':
        note(`step ${event.step}: ${event.message}`);
        break;
      case 'end':
        this.#hide();
        note(
          `${event.reason} at step ${event.step} after ${formatDuration(event.at - this.#startedAt)}${event.message ? `: ${event.message}` : ''}`,
        );
        break;
      case 'picture':
        break;
    }
  }

  [Symbol.dispose](): void {
    this.#hide();
  }

  #start({ at, step, steps, model, data }: EventOf<'start'>): void {
    this.#startedAt = at;
    this.#steps = steps;
    this.#lastStep = step;
    this.#average = undefined;
    this.terminal.note(
      `training ${model} on ${data}, ${steps} steps${step > 0 ? ` (resumed at ${step})` : ''}`,
    );
    if (!this.#beneath.watched) return;
    this.#hide();
    this.#bar = new Bar(this.#beneath, steps, '{bar} {value}/{total}  {status}');
    this.#bar.update(step, { status: '' });
    this.#bar.show();
  }

  #step(event: EventOf<'step'>): void {
    const steps = Math.max(1, event.step - this.#lastStep);
    this.#lastStep = event.step;
    this.#average = averaged(this.#average, {
      loss: event.loss,
      stepMs: event.elapsedMs / steps,
      picturesPerMs: event.elapsedMs > 0 ? event.pictures / event.elapsedMs : 0,
      wait: event.elapsedMs > 0 ? event.dataWaitMs / event.elapsedMs : 0,
    });
    if (event.skipped)
      this.terminal.note(
        `step ${event.step}: gradients overflow at a loss scale of ${event.lossScale}, which halves; parameters stay`,
      );
    const status = this.#status(event.step, this.#average);
    if (this.#bar) this.#bar.update(event.step, { status });
    else if (event.at - this.#linedAt >= this.#everyMs) {
      this.#linedAt = event.at;
      this.terminal.note(`step ${event.step}/${this.#steps}  ${status}`);
    }
  }

  #status(step: number, { loss, stepMs, picturesPerMs, wait }: Averages): string {
    return [
      `loss ${loss.toFixed(4)}`,
      ...(this.#miou === undefined ? [] : [`mIoU ${percent(this.#miou)}`]),
      `${(1000 * picturesPerMs).toFixed(1)} pictures/s`,
      `${formatDuration((this.#steps - step) * stepMs)} left`,
      // A training that waits for its pictures wants to be noticed; a few per cent are nothing.
      ...(wait >= 0.05 ? [`waits for data ${(100 * wait).toFixed(0)} %`] : []),
    ].join(', ');
  }

  #hide(): void {
    this.#bar?.hide();
    this.#bar = undefined;
  }
}

interface Averages {
  readonly loss: number;
  readonly stepMs: number;
  readonly picturesPerMs: number;
  readonly wait: number;
}

function averaged(before: Averages | undefined, now: Averages): Averages {
  if (!before) return now;
  const mix = (name: keyof Averages) => {
    const mixed = before[name] + newest * (now[name] - before[name]);
    // A loss that was once no number would stay so in the average for ever.
    return Number.isFinite(mixed) ? mixed : now[name];
  };
  return {
    loss: mix('loss'),
    stepMs: mix('stepMs'),
    picturesPerMs: mix('picturesPerMs'),
    wait: mix('wait'),
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

import { Presets, SingleBar } from 'cli-progress';
import type { Terminal } from './terminal.js';

/** Work shorter than this shows no bar. */
const patienceMs = 1000;

/** A progress bar on the standard error; where nobody watches, or the work is short, it never appears. */
export class Progress implements Disposable {
  /** What is written here while the bar is up comes above it. */
  readonly terminal: Terminal;
  readonly #total: number;
  #done = 0;
  #title: string;
  #bar: SingleBar | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, total: number, title: string) {
    this.#total = total;
    this.#title = title;
    this.terminal = {
      ...terminal,
      print: (text) => this.#above(() => terminal.print(text)),
      note: (text) => this.#above(() => terminal.note(text)),
    };
    if (terminal.watched) this.#timer = setTimeout(() => this.#show(), patienceMs);
  }

  /** One more of the total is done; next comes `title`. */
  advance(title: string): void {
    this.#done++;
    this.#title = title;
    this.#bar?.update(this.#done, { title });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#hide();
  }

  #above(write: () => void): void {
    const shown = this.#bar !== undefined;
    this.#hide();
    write();
    if (shown) this.#show();
  }

  #show(): void {
    const format = '{bar} {value}/{total} {title}';
    this.#bar = new SingleBar(
      { format, hideCursor: true, clearOnComplete: true, stream: process.stderr },
      Presets.shades_classic,
    );
    this.#bar.start(this.#total, this.#done, { title: this.#title });
  }

  #hide(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

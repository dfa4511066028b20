import { Bar } from '../terminal/bar.js';
import type { Terminal } from '../terminal/terminal.js';

/** Work shorter than this shows no bar. */
const patienceMs = 1000;

/** A progress bar on the standard error; where nobody watches, or the work is short, it never appears. */
export class Progress implements Disposable {
  /** What is written here while the bar is up comes above it. */
  readonly terminal: Terminal;
  #done = 0;
  readonly #bar: Bar;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, total: number, title: string) {
    this.#bar = new Bar(terminal, total, '{bar} {value}/{total} {title}');
    this.#bar.update(0, { title });
    this.terminal = this.#bar.terminal;
    if (terminal.watched) this.#timer = setTimeout(() => this.#bar.show(), patienceMs);
  }

  /** One more of the total is done; next comes `title`. */
  advance(title: string): void {
    this.#bar.update(++this.#done, { title });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#bar.hide();
  }
}

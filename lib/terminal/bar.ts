import { type Options, Presets, SingleBar } from 'cli-progress';
import type { Terminal } from './terminal.js';

/** A progress bar on the standard error that lets others write: what goes to its `terminal` comes above it. */
export class Bar {
  readonly terminal: Terminal;
  readonly #options: Options;
  readonly #total: number;
  #done = 0;
  #values: object = {};
  #bar: SingleBar | undefined;

  /** @param format - of cli-progress: `{bar}`, `{value}`, `{total}` and the names of `update`'s values in braces */
  constructor(terminal: Terminal, total: number, format: string) {
    this.#total = total;
    this.#options = {
      format,
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr,
    };
    this.terminal = {
      ...terminal,
      print: (text) => this.#above(() => terminal.print(text)),
      note: (text) => this.#above(() => terminal.note(text)),
    };
  }

  /** Has no effect on the screen while the bar is hidden. */
  update(done: number, values: object): void {
    this.#done = done;
    this.#values = values;
    this.#bar?.update(done, values);
  }

  show(): void {
    if (this.#bar) return;
    this.#bar = new SingleBar(this.#options, Presets.shades_classic);
    this.#bar.start(this.#total, this.#done, this.#values);
  }

  hide(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #above(write: () => void): void {
    const shown = this.#bar !== undefined;
    this.hide();
    write();
    if (shown) this.show();
  }
}

import type { Program } from './program.js';

interface Entry {
  readonly program: Promise<Program>;
  users: number;
  evicted: boolean;
}

/** Keeps the programs that were used last. One that has to go is disposed when nobody runs it any more. */
export class ProgramCache {
  readonly #entries = new Map<string, Entry>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Runs `task` with the program of this key, made now if there is none. A program that could not be made is not kept. */
  async use<T>(
    key: string,
    make: () => Promise<Program>,
    task: (program: Program) => Promise<T>,
  ): Promise<T> {
    const entry = this.#entries.get(key) ?? { program: make(), users: 0, evicted: false };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.users++;
    this.#evictBeyond(this.#most);
    try {
      const program = await entry.program.catch((error) => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
        throw error;
      });
      return await task(program);
    } finally {
      entry.users--;
      disposeIfIdle(entry);
    }
  }

  clear(): void {
    this.#evictBeyond(0);
  }

  #evictBeyond(count: number): void {
    for (const [key, entry] of [...this.#entries].slice(0, Math.max(0, this.#entries.size - count))) {
      this.#entries.delete(key);
      entry.evicted = true;
      disposeIfIdle(entry);
    }
  }
}

function disposeIfIdle({ program, users, evicted }: Entry): void {
  // A program that was never made has nothing to dispose; its error went to whoever asked for it.
  if (evicted && users === 0)
    program.then(
      (made) => made.dispose(),
      () => {},
    );
}

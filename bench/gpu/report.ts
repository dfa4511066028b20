import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../lib/files.js';
import { describeMachine } from '../../lib/runtime/device.js';
import type { NativeDescription } from '../../lib/runtime/native.js';
import { origin } from '../machine.js';

/** What one phase found, written anew after each entry: a phase that is cut off leaves what it had. */
export class Report<Entry> {
  readonly entries: Entry[] = [];
  readonly #file: string;
  readonly #about: Readonly<Record<string, unknown>>;

  private constructor(file: string, about: Readonly<Record<string, unknown>>) {
    this.#file = file;
    this.#about = about;
  }

  /** DATE-gpu-PHASE-MACHINE.json. Without the addon it does not say what machine it was. */
  static async open<Entry>(folder: string, phase: string): Promise<Report<Entry>> {
    await mkdir(folder, { recursive: true });
    const machine = describedMachine();
    const about = origin();
    const file = `${about.date.slice(0, 10)}-gpu-${phase}-${machineName(machine)}.json`;
    return new Report(join(folder, file), { ...about, machine });
  }

  async add(entry: Entry): Promise<void> {
    this.entries.push(entry);
    await this.#write({});
  }

  /** Ends the phase; `more` stands beside the entries. */
  async finish(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.#write({ ...more, complete: true });
    console.log(`${this.#file}: ${this.entries.length} results`);
  }

  async #write(more: Readonly<Record<string, unknown>>): Promise<void> {
    const all = { ...this.#about, complete: false, ...more, results: this.entries };
    await writeFileAtomic(this.#file, `${JSON.stringify(all, null, 1)}\n`);
  }
}

function describedMachine(): NativeDescription | { readonly unknown: string } {
  try {
    return describeMachine();
  } catch (error) {
    return { unknown: (error as Error).message };
  }
}

/** "NVIDIA H200" is h200. */
function machineName(machine: ReturnType<typeof describedMachine>): string {
  if (!('cuda' in machine)) return 'unknown';
  const { emulated, devices } = machine.cuda;
  if (emulated) return 'emulated';
  const model = devices[0]?.model.replace(/^NVIDIA /, '') ?? 'none';
  return model.toLowerCase().replace(/[^a-z\d]+/g, '-');
}

import { mkdir } from 'node:fs/promises';
import { type DeviceOptions, openDevice } from '../runtime/device.js';
import { formatShare } from '../terminal/format.js';
import { ablationMarkdown, runAblation } from '../train/ablation.js';
import type { CommandContext } from './context.js';

export interface AblateFlags extends DeviceOptions {
  readonly data?: string;
  readonly recipe?: string;
  readonly out: string;
  readonly seeds?: readonly number[];
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** `ocrnet ablate`. */
export async function ablate(
  name: string,
  flags: AblateFlags,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const { data, recipe, out, seeds, set, json = false, ...runtime } = flags;
  await mkdir(out, { recursive: true });
  await using device = await openDevice(runtime);
  const table = await runAblation(name, {
    ...(data !== undefined && { data }),
    ...(recipe !== undefined && { recipe }),
    ...(seeds && { seeds }),
    ...(set && { set }),
    folder: out,
    device,
    signal,
    onEvent: ({ label, seed }, event) => {
      if (event.type === 'start')
        terminal.note(`${label}, seed ${seed}: from step ${event.step} of ${event.steps}`);
      if (event.type === 'evaluation')
        terminal.note(`${label}, seed ${seed}: mIoU ${formatShare(event.miou)}`);
    },
  });
  terminal.print(json ? JSON.stringify(table, undefined, 2) : ablationMarkdown(table).trimEnd());
}

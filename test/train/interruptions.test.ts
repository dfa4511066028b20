import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../support/temporary-folder.js';

const steps = 8;
const settings = [
  'data.scenes={count: 6, valCount: 1, width: 96, height: 72, classes: camvid}',
  'crop={height: 48, width: 64}',
  'batch=2',
  `steps=${steps}`,
  'checkpoints={every: 1, keep: 3}',
  'evaluation.every=1000',
];

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** `ocrnet train` in a process of its own; `onOutput` may end it. `limit` is the largest file in KiB. */
function train(
  args: readonly string[],
  { onOutput, limit }: { onOutput?: (text: string, kill: () => void) => void; limit?: number } = {},
): Promise<Ended> {
  const node = [process.execPath, '--import', 'tsx', 'lib/cli/main.ts', 'train', ...args];
  const command =
    limit === undefined ? node : ['bash', '-c', `ulimit -f ${limit}; exec "$@"`, 'bash', ...node];
  return new Promise((resolve, reject) => {
    const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const hear = (data: Buffer) => {
      output += data.toString();
      onOutput?.(output, () => child.kill('SIGKILL'));
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

const checkpointsIn = async (folder: string): Promise<string[]> =>
  (await readdir(join(folder, 'checkpoints')).catch(() => [])).filter((name) => !name.startsWith('.')).sort();

describe('interrupted trainings', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  const set = ['--set', ...settings];

  it('lose at most the work since the last checkpoint when they are killed, and end as if they had not been', async () => {
    const [whole, killed] = [folder.path('whole'), folder.path('killed')];
    const uninterrupted = await train(['scenes', '--out', whole, ...set]);
    expect(uninterrupted.code, uninterrupted.output).to.equal(0);

    // Killed in the middle of whatever comes a random while after a checkpoint: a step, or the next checkpoint's writing.
    let done = 0;
    for (const delayMs of [0, 15, 60]) {
      const timers: NodeJS.Timeout[] = [];
      await train(['scenes', '--out', killed, ...(done > 0 ? ['--resume'] : []), ...set], {
        onOutput: (text, kill) => {
          if (timers.length === 0 && /saved .*step-/.test(text)) timers.push(setTimeout(kill, delayMs));
        },
      });
      for (const timer of timers) clearTimeout(timer);
      const newest = (await checkpointsIn(killed)).at(-1) as string;
      const step = Number(/\d+/.exec(newest)?.[0]);
      expect(step).to.be.at.least(done);
      done = step;
    }
    const rest = await train(['scenes', '--out', killed, '--resume', ...set]);
    expect(rest.code, rest.output).to.equal(0);

    const last = join('checkpoints', `step-${String(steps).padStart(6, '0')}.safetensors`);
    const [expected, actual] = [await readFile(join(whole, last)), await readFile(join(killed, last))];
    expect(actual.equals(expected)).to.equal(true);
  });

  it('say when the disk takes no more, and keep the checkpoints that there are', async () => {
    const out = folder.path('full');
    const begun = await train(['scenes', '--out', out, ...set], {
      onOutput: (text, kill) => {
        if (/saved .*step-000002/.test(text)) kill();
      },
    });
    expect(begun.code).to.equal(null);
    const before = await checkpointsIn(out);
    const full = await train(['scenes', '--out', out, '--resume', ...set], { limit: 256 });
    expect(full.code, full.output).not.to.equal(0);
    expect(full.output).to.match(/Cannot write .*step-.*too large/);
    expect(await checkpointsIn(out)).to.deep.equal(before);
  });
});

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import { runCommandLine } from '../../lib/cli/command-line.js';
import { loadRecipe, recipeText } from '../../lib/train/recipe.js';
import { type CommandResult, ocrnet } from '../support/command-line.js';

/** Two pictures in a step, three steps, on streets of 64 × 48. */
const tiny = [
  'steps=3',
  'batch=2',
  'crop={ height: 48, width: 48 }',
  'data.scenes={ count: 4, valCount: 2, width: 64, height: 48 }',
  'evaluation={ every: 2, samples: 1 }',
  'checkpoints.every=1',
];

describe('ocrnet train', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ocrnet-train-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const failsWith = async (args: readonly string[], code: number, ...patterns: RegExp[]) => {
    const result = await ocrnet(['train', ...args]);
    expect(result.code, result.stderr).to.equal(code);
    expect(result.stdout).to.equal('');
    for (const pattern of patterns) expect(result.stderr).to.match(pattern);
  };

  /** A folder as a training leaves it, in which only the checkpoint's metadata are real. */
  async function begun(name: string, set: readonly string[] = []): Promise<string> {
    const out = join(folder, name);
    await mkdir(join(out, 'checkpoints'), { recursive: true });
    const recipe = recipeText(loadRecipe('scenes', { set }));
    const position = { version: 1, step: 2, recipe, layout: '', miou: null };
    await writeSafetensors(
      join(out, 'checkpoints', 'step-000002.safetensors'),
      { tensors: new Map(), read: () => new Float32Array() },
      { 'ocrnet-training': JSON.stringify(position) },
    );
    writeFileSync(join(out, 'recipe.yaml'), recipe);
    return out;
  }

  it('says what it does not understand', async () => {
    const out = ['--out', join(folder, 'none')];
    await failsWith(['scenes'], 2, /required option '--out <dir>' not specified/);
    await failsWith(['scene', ...out], 2, /did you mean scenes.*or the path of a \.yaml file/);
    await failsWith(['scenes', ...out, '--set', 'stps=1'], 2, /stps: .*did you mean steps/);
    await failsWith(['small', ...out], 2, /needs a data set: expected a folder.*--data DIR/);
    await failsWith(['scenes', '--data', folder, ...out], 2, /renders its pictures/);
    await failsWith(['small', '--data', folder, ...out], 1, /has no dataset\.yaml/);
    await failsWith(['far/away.yaml', ...out], 1, /away\.yaml.*\[FILE_NOT_FOUND\]$/);
    expect(existsSync(join(folder, 'none'))).to.equal(false);
  });

  it('begins no training where there is one, and says how to go on', async () => {
    const out = await begun('there already');
    const command = `ocrnet train '${join(out, 'recipe.yaml')}' --out '${out}' --resume`;
    const { code, stderr } = await ocrnet(['train', 'scenes', '--out', out]);
    expect(code).to.equal(2);
    expect(stderr).to.include(
      `holds a training, 2 steps of it: expected another folder, or to go on with it: ${command}`,
    );
    const unsaved = join(folder, 'unsaved');
    await mkdir(unsaved);
    writeFileSync(join(unsaved, 'log.jsonl'), '');
    await failsWith(['scenes', '--out', unsaved], 2, /saved no checkpoint/);
  });

  it('resumes only what is there, with the same recipe', async () => {
    const empty = join(folder, 'empty');
    await failsWith(['scenes', '--out', empty, '--resume'], 1, /no checkpoint to resume from/);
    const out = await begun('other', ['schedule.rate=0.5']);
    await failsWith(
      ['scenes', '--out', out, '--resume'],
      2,
      /another recipe: schedule\.rate: expected 0\.5 as before \(ocrnet train .*\), or `--set schedule\.rate=…` .* received 0\.004/,
    );
    // What is set on purpose is accepted, so that the checkpoint itself is looked at, which is none.
    await failsWith(
      ['scenes', '--out', out, '--resume', '--set', 'schedule={ rate: 0.1 }'],
      1,
      /another network/,
    );
  });

  it('trains, measures and saves a network that can be used', async function () {
    this.timeout(120_000);
    const out = join(folder, 'run');
    const { code, stdout, stderr } = await ocrnet(['train', 'scenes', '--out', out, '--set', ...tiny]);
    expect(code, stderr).to.equal(0);
    const model = join(out, 'model.safetensors');
    for (const text of ['mIoU', 'report.html', 'log.jsonl', `ocrnet segment PICTURE --model ${model}`])
      expect(stdout).to.include(text);
    for (const file of ['model.safetensors', 'report.html', 'log.jsonl', 'recipe.yaml'])
      expect(existsSync(join(out, file)), file).to.equal(true);
    const summary = await ocrnet(['summary', model, '--input', '1x48x64x3', '--json']);
    expect(summary.code, summary.stderr).to.equal(0);
  });

  it('stops at an interruption and goes on from there, to the same end', async function () {
    this.timeout(240_000);
    const set = ['--set', ...tiny, 'name=streets'];
    const whole = join(folder, 'whole');
    const expected = await ocrnet(['train', 'scenes', '--out', whole, '--json', ...set]);
    expect(expected.code, expected.stderr).to.equal(0);
    const out = join(folder, 'halves');
    const interrupted = await interruptedAt(/^step 2: mIoU/, ['train', 'scenes', '--out', out, ...set]);
    expect(interrupted.code, interrupted.stderr).to.equal(130);
    expect(interrupted.stderr).to.match(/stopped after step 2 of 3; to go on: ocrnet train .* --resume$/);
    const resumed = await ocrnet(['train', join(out, 'recipe.yaml'), '--out', out, '--resume', '--json']);
    expect(resumed.code, resumed.stderr).to.equal(0);
    const [a, b] = [JSON.parse(expected.stdout), JSON.parse(resumed.stdout)];
    expect(a).to.have.all.keys(
      ...['recipe', 'steps', 'miou', 'pixelAccuracy', 'meanAccuracy', 'perClass', 'model', 'report', 'log'],
    );
    expect(b.steps).to.equal(3);
    expect(b.perClass).to.deep.equal(a.perClass);
  });
});

/** Runs a command that is interrupted when it says something. */
async function interruptedAt(moment: RegExp, args: readonly string[]): Promise<CommandResult> {
  const controller = new AbortController();
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const terminal = {
    print: (text: string) => void stdout.push(text),
    note: (text: string) => {
      stderr.push(text);
      if (moment.test(text)) controller.abort();
    },
    watched: false,
    colours: false,
  };
  const code = await runCommandLine(args, { terminal, signal: controller.signal });
  return { code, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
}

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { version } from '../../lib/version.js';
import { ocrnet } from '../support/command-line.js';

const failsWith = async (args: readonly string[], code: number, ...patterns: RegExp[]) => {
  const result = await ocrnet(args);
  expect(result.code, result.stderr).to.equal(code);
  expect(result.stdout).to.equal('');
  expect(result.stderr.split('\n'), 'one line').to.have.length(1);
  for (const pattern of patterns) expect(result.stderr).to.match(pattern);
};

describe('the command line', () => {
  it('prints its version and its help on the standard output', async () => {
    expect(await ocrnet(['--version'])).to.deep.equal({ code: 0, stdout: version, stderr: '' });
    const help = await ocrnet(['--help']);
    expect(help.code).to.equal(0);
    for (const command of ['segment', 'evaluate', 'summary', 'export', 'doctor'])
      expect(help.stdout).to.include(command);
    expect((await ocrnet(['segment', '--help'])).stdout).to.include('--confidence');
    const recipes = (await ocrnet(['train', '--help'])).stdout;
    for (const text of [/^ {2}camvid$/m, /^ {2}table-2 +ppm, aspp, ocr$/m, /also .*@ade20k @lip/])
      expect(recipes).to.match(text);
    const tables = (await ocrnet(['help', 'ablate'])).stdout;
    expect(tables)
      .to.match(/^ {2}table-6 +coarse only, fine only, /m)
      .and.not.to.include('table-5');
  });

  it('prints its help and fails where no command is given', async () => {
    const { code, stderr } = await ocrnet([]);
    expect(code).to.equal(2);
    expect(stderr).to.include('Usage: ocrnet');
  });

  it('says in one line what it does not understand, with the nearest word', async () => {
    await failsWith(
      ['segmnt', 'x.png'],
      2,
      /^ocrnet: unknown command 'segmnt'.*Did you mean segment\?.*\[INVALID_ARGUMENT\]$/,
    );
    await failsWith(['doctor', '--jsn'], 2, /unknown option '--jsn'.*Did you mean --json\?/);
    await failsWith(['segment'], 2, /missing required argument 'images'/);
    await failsWith(['doctor', 'now'], 2, /too many arguments/);
    await failsWith(['evaluate'], 2, /required option '--data <dir>' not specified/);
    await failsWith(['summary', 'resnet18'], 2, /required option '--input <size>' not specified/);
    await failsWith(['export', 'resnet18'], 2, /required option '--onnx <file>' not specified/);
  });

  it('refuses option values by what they should be', async () => {
    const summary = ['summary', 'ocrnet-resnet18', '--input', '1x64x64x3'];
    await failsWith([...summary, '--classes', '0'], 2, /--classes.*'0' is invalid.*integer from 1 to 65536/);
    await failsWith([...summary, '--classes', '1.5'], 2, /integer from 1 to 65536/);
    await failsWith([...summary, '--form', 'ocr'], 2, /--form.*paper, openseg, hrnet-ocr/);
    await failsWith([...summary, '--precision', 'float64'], 2, /float32, bfloat16/);
    await failsWith([...summary, '--device', 'tpu'], 2, /auto, cpu, cuda/);
    for (const size of ['512x1024', '1x512x1024', '1x512x1024x1', '0x512x1024x3', '1x-5x9x3', 'big'])
      await failsWith(['summary', 'resnet18', '--input', size], 2, /--input.*1x512x1024x3/);
    await failsWith(['segment', 'x.png', '--threads', 'many'], 2, /--threads.*integer from 1 to 1024/);
    await failsWith(['segment', 'x.png', '--index', '-1'], 2, /--index.*integer from 0 to 1023/);
    const evaluate = ['evaluate', '--data', 'x'];
    for (const scales of ['0', '1,', '1,,2', 'big', '-1', '9'])
      await failsWith([...evaluate, `--scales=${scales}`], 2, /--scales.*numbers above 0/);
    await failsWith([...evaluate, '--window', '512'], 2, /--window.*height x width/);
    await failsWith([...evaluate, '--stride', '9x9'], 2, /Invalid stride: expected none without a window/);
    await failsWith([...evaluate, '--merge', 'mean'], 2, /logits, exponentials/);
    await failsWith([...evaluate, '--absent', 'one'], 2, /mean, zero/);
  });

  it('refuses unknown networks and impossible combinations', async () => {
    const input = ['--input', '1x64x64x3'];
    await failsWith(['summary', 'ocrnet-resnet110', ...input], 2, /did you mean .*ocrnet-resnet101/);
    await failsWith(['summary', 'resnet18', '--form', 'paper', ...input], 2, /Invalid form: expected none/);
    await failsWith(
      ['summary', 'nowhere.safetensors', ...input],
      1,
      /nowhere\.safetensors.*\[FILE_NOT_FOUND\]$/,
    );
  });

  it('runs as a process: exit codes, no stack, a stack on demand', async () => {
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const run = promisify(execFile);
    const wrong = ['summary', 'nowhere.safetensors', '--input', '1x64x64x3'];
    const { stdout } = await run(process.execPath, [main, '--version']);
    expect(stdout).to.equal(`${version}\n`);
    const failure = await run(process.execPath, [main, ...wrong]).catch((error) => error);
    expect(failure.code).to.equal(1);
    expect(failure.stderr).to.match(/^ocrnet: .*\[FILE_NOT_FOUND\]\n$/);
    const env = { ...process.env, OCRNET_DEBUG: '1' };
    const debugged = await run(process.execPath, [main, ...wrong], { env }).catch((error) => error);
    expect(debugged.stderr).to.match(/\n +at /);
  });
});

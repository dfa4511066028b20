import { expect } from 'chai';
import { ocrnet } from '../support/command-line.js';

const summarise = async (...args: string[]) => {
  const { code, stdout, stderr } = await ocrnet(['summary', ...args, '--json']);
  expect(code, stderr).to.equal(0);
  return JSON.parse(stdout);
};

describe('ocrnet summary', () => {
  it('counts what HRNet-W48 with OCR has and does', async () => {
    const summary = await summarise('ocrnet-hrnet-w48', '--input', '1x512x1024x3');
    expect(summary).to.have.all.keys(
      'parameters',
      'flops',
      'bytesMoved',
      'weightBytes',
      'arenaBytes',
      'stages',
    );
    expect(summary.parameters).to.equal(70_372_678);
    expect(summary.flops).to.be.within(640e9, 655e9);
    expect(summary.weightBytes).to.be.above(4 * summary.parameters);
    expect(summary.arenaBytes).to.be.within(100e6, 700e6);
  });

  it('adds up: stages to totals, twice the batch to twice the work', async () => {
    const one = await summarise(
      'ocrnet-mobilenet-v2',
      '--classes',
      '7',
      '--form',
      'paper',
      '--input',
      '1x65x129x3',
    );
    const two = await summarise(
      'ocrnet-mobilenet-v2',
      '--classes',
      '7',
      '--form',
      'paper',
      '--input',
      '2x65x129x3',
    );
    const sum = (key: string) =>
      one.stages.reduce((total: number, stage: Record<string, number>) => total + (stage[key] as number), 0);
    expect(sum('parameters')).to.equal(one.parameters);
    expect(sum('flops')).to.equal(one.flops);
    expect(sum('bytesMoved')).to.equal(one.bytesMoved);
    expect(two.parameters).to.equal(one.parameters);
    expect(two.flops).to.equal(2 * one.flops);
  });

  it('needs less memory in bfloat16', async () => {
    const size = ['--input', '1x128x128x3'];
    const float32 = await summarise('ocrnet-resnet18', ...size);
    const bfloat16 = await summarise('ocrnet-resnet18', ...size, '--precision', 'bfloat16');
    expect(bfloat16.arenaBytes).to.be.below(float32.arenaBytes);
    expect(bfloat16.parameters).to.equal(float32.parameters);
  });

  it('prints a table by stage, and with --steps what each step runs', async () => {
    const { stdout } = await ocrnet(['summary', 'resnet18', '--input', '1x64x64x3', '--steps']);
    for (const text of [
      'backbone.layer1',
      '1x16x16x64',
      'parameters',
      'planned memory',
      'conv2d',
      'algorithm',
    ])
      expect(stdout).to.include(text);
    const { steps } = await summarise('resnet18', '--input', '1x64x64x3', '--steps');
    expect(steps[0]).to.have.all.keys('path', 'operation', 'algorithm');
  });
});

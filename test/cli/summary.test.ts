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
      'executedFlops',
      'bytesMoved',
      'weightBytes',
      'arenaBytes',
      'stages',
    );
    expect(summary.parameters).to.equal(70_372_678);
    expect(summary.flops).to.be.within(640e9, 655e9);
    expect(summary.executedFlops).to.be.below(500e9);
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

  it('counts what is executed, and with --no-algebra what is written', async () => {
    const args = ['ocrnet-hrnet-w18', '--input', '1x128x128x3'];
    const [better, plain] = [await summarise(...args), await summarise(...args, '--no-algebra')];
    expect(better.flops).to.equal(plain.flops);
    expect(plain.executedFlops).to.be.within(0.95 * plain.flops, plain.flops);
    expect(better.executedFlops).to.be.below(0.85 * plain.flops);
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

  describe('--train', () => {
    const input = ['--input', '2x64x64x3', '--train'];

    it('plans a step in each way to save memory, and counts what stays', async () => {
      const { optimiser, state, variants, asked } = await summarise('ocrnet-resnet18', ...input);
      const { parameters } = await summarise('ocrnet-resnet18', '--input', '1x64x64x3');
      expect(optimiser).to.equal('sgd');
      expect(state.parameterBytes).to.equal(4 * parameters);
      expect(state.optimiserBytes).to.equal(4 * parameters);
      expect(state.averageBytes).to.equal(state.parameterBytes + state.statisticBytes);
      expect(variants).to.have.length(4);
      const [plain, recomputing, inPlace, both] = variants;
      expect(asked).to.deep.equal(plain);
      expect(plain.recompute).to.deep.equal([]);
      expect(recomputing.recompute).to.deep.equal([1, 2, 3, 4].map((layer) => `backbone.layer${layer}`));
      expect(recomputing.arenaBytes).to.be.below(plain.arenaBytes);
      expect(recomputing.flops).to.be.above(plain.flops);
      expect(inPlace.arenaBytes).to.be.at.most(plain.arenaBytes);
      expect(both.recoverInputs).to.equal(true);
      const { parameterBytes, statisticBytes, optimiserBytes } = state;
      for (const { arenaBytes, totalBytes } of variants)
        expect(totalBytes).to.equal(arenaBytes + parameterBytes + statisticBytes + optimiserBytes);
    });

    it('takes an optimiser and what is to be saved', async () => {
      const { state, asked } = await summarise(
        'ocrnet-resnet18',
        ...input,
        ...['--optimiser', 'adamw', '--recompute', 'backbone.layer3', '--recover-inputs'],
      );
      expect(state.optimiserBytes).to.equal(2 * state.parameterBytes);
      expect(asked.recompute).to.deep.equal(['backbone.layer3']);
      expect(asked.recoverInputs).to.equal(true);
      const { stdout } = await ocrnet([
        'summary',
        'ocrnet-resnet18',
        ...input,
        '--recompute',
        'backbone.layer3',
      ]);
      expect(stdout).to.match(/planned memory .* recomputing$/);
      expect(stdout).to.include('in-place activated batch norm');
    });

    it('refuses what belongs to one of both only', async () => {
      const plain = ['summary', 'ocrnet-resnet18', '--input', '1x64x64x3'];
      for (const flags of [
        ['--optimiser', 'sgd'],
        ['--recompute', 'backbone.layer1'],
        ['--recover-inputs'],
      ]) {
        const { code, stderr } = await ocrnet([...plain, ...flags]);
        expect(code, stderr).to.equal(2);
        expect(stderr).to.match(/--\S+: expected none without --train/);
      }
      const lost = await ocrnet([...plain, '--train', '--recompute', 'backbone.layer']);
      expect(lost.stderr).to.match(/nothing under a path.*received backbone\.layer \[INVALID_ARGUMENT\]$/);
      expect((await ocrnet([...plain, '--train', '--steps'])).code).to.equal(2);
      const mixed = await ocrnet([...plain, '--train', '--precision', 'bfloat16']);
      expect(mixed.stderr).to.match(/cpu does not train in bfloat16: expected float32.* \[UNSUPPORTED\]$/);
    });
  });
});

import { expect } from 'chai';
import { version } from '../../lib/version.js';
import { ocrnet } from '../support/command-line.js';

describe('ocrnet doctor', () => {
  it('tells as JSON what this machine has', async () => {
    const { code, stdout, stderr } = await ocrnet(['doctor', '--json']);
    expect(code, stderr).to.equal(0);
    const report = JSON.parse(stdout);
    expect(report).to.include({ ocrnet: version, node: process.versions.node });
    expect(report.addon.loaded).to.equal(true);
    expect(report.addon.path).to.match(/\.node$/);
    expect(report.cuda.emulated).to.equal(false);
    if (!report.cuda.unavailable) expect(report.cuda.devices).not.to.have.length(0);
    expect(report.problems).to.deep.equal([]);
  });

  it('tells the same in words', async () => {
    const { code, stdout } = await ocrnet(['doctor']);
    expect(code).to.equal(0);
    for (const text of [version, process.versions.node, 'oneDNN', 'sharp', 'bfloat16'])
      expect(stdout).to.include(text);
    // Built with it or not, with a GPU or without: there is a line that says so.
    expect(stdout).to.match(/^CUDA +(not built: .*build|runtime \d+\.\d+, (a driver for CUDA|no driver))/m);
  });
});

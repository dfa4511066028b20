import { expect } from 'chai';
import { measureModule } from '../../bench/contexts/measure.js';
import { contextModules } from '../../bench/contexts/modules.js';

describe('the bench of context modules on a CUDA device, emulated', () => {
  it('measures one as planned', async () => {
    const module = contextModules.find(({ kind }) => kind === 'ocr') as (typeof contextModules)[0];
    const size = { batch: 1, height: 4, width: 5, channels: 16, classes: 3 };
    const { plannedBytes, measuredBytes, residentBytes, ...result } = await measureModule(module, {
      ...{ precision: 'float32', device: 'cuda', runs: 1 },
      size,
      form: 'plain',
    });
    expect(result.medianMs).to.be.greaterThan(0);
    expect(measuredBytes).to.equal(plannedBytes);
    expect(residentBytes).to.be.greaterThan(measuredBytes);
  });
});

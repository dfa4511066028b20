import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh folder for each test of the surrounding `describe`, removed afterwards. */
export function temporaryFolder(): { path: (name: string) => string; root: () => string } {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ocrnet-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return { path: (name) => join(folder, name), root: () => folder };
}

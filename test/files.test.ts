import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { writeFileAtomic } from '../lib/files.js';
import { expectOcrnetError } from './support/expect-error.js';
import { temporaryFolder } from './support/temporary-folder.js';

describe('writeFileAtomic', () => {
  const folder = temporaryFolder();

  it('writes text, bytes and pieces, over what was there', async () => {
    const path = folder.path('out.txt');
    await writeFileAtomic(path, 'text');
    expect(await readFile(path, 'utf8')).to.equal('text');
    await writeFileAtomic(path, Buffer.from('bytes'));
    expect(await readFile(path, 'utf8')).to.equal('bytes');
    await writeFileAtomic(path, [Buffer.from('one '), Buffer.from('two')]);
    expect(await readFile(path, 'utf8')).to.equal('one two');
    expect(await readdir(folder.root())).to.deep.equal(['out.txt']);
  });

  it('leaves the old file and nothing else when the content fails half-way', async () => {
    const path = folder.path('out.txt');
    await writeFile(path, 'old');
    const content = (function* () {
      yield Buffer.from('half');
      throw new RangeError('no more');
    })();
    let thrown: unknown;
    await writeFileAtomic(path, content).catch((error) => {
      thrown = error;
    });
    expect(thrown).to.be.instanceOf(RangeError);
    expect(await readFile(path, 'utf8')).to.equal('old');
    expect(await readdir(folder.root())).to.deep.equal(['out.txt']);
  });

  it('names a missing folder', async () => {
    await expectOcrnetError(
      () => writeFileAtomic(folder.path('missing/out.txt'), 'text'),
      'FILE_NOT_WRITTEN',
      'missing/out.txt',
      'no such file or folder',
    );
  });

  it('leaves nothing behind where the target is a folder', async () => {
    await mkdir(folder.path('target'));
    await expectOcrnetError(() => writeFileAtomic(folder.path('target'), 'text'), 'FILE_NOT_WRITTEN');
    expect(await readdir(folder.root())).to.deep.equal(['target']);
  });

  it('leaves nothing behind when the system takes no more bytes', () => {
    const path = folder.path('out.bin');
    const script = `
      import { writeFileAtomic } from ${JSON.stringify(new URL('../lib/files.ts', import.meta.url).href)};
      await writeFileAtomic(${JSON.stringify(path)}, new Uint8Array(2 ** 20)).catch((error) => console.log(error.code));`;
    // A limit on the size of files stands for a full disk: the write fails half-way in the same manner.
    const { stdout, stderr } = spawnSync(
      'sh',
      [
        '-c',
        `trap '' XFSZ; ulimit -f 64; exec "$0" --import tsx --input-type=module -e "$1"`,
        process.execPath,
        script,
      ],
      { encoding: 'utf8', cwd: new URL('..', import.meta.url) },
    );
    expect(stdout.trim(), stderr).to.equal('FILE_NOT_WRITTEN');
    expect(readdirSync(folder.root())).to.deep.equal([]);
  });

  it('names a folder without permission', async function () {
    if (process.getuid?.() === 0) this.skip(); // the superuser may write anywhere
    await chmod(folder.root(), 0o500);
    await expectOcrnetError(
      () => writeFileAtomic(folder.path('out.txt'), 'text'),
      'FILE_NOT_WRITTEN',
      'permission denied',
    );
  });
});

import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { expect } from 'chai';
import { defaultModelFile } from '../lib/serve/default-model.js';

const root = new URL('../', import.meta.url);
const readJson = async (path: string) => JSON.parse(await readFile(new URL(path, root), 'utf8'));

describe('the package', () => {
  it('can be imported and required, and both give the same exports', async () => {
    const { exports } = await readJson('package.json');
    const entry = new URL(exports['.'].default, root);
    const imported = await import(entry.href);
    expect(createRequire(import.meta.url)(entry.pathname).version).to.equal(imported.version);
    expect(imported.version).to.equal((await readJson('package.json')).version);
  });

  it('has an addon that loads', () => {
    const addon = createRequire(import.meta.url)('node-gyp-build')(root.pathname);
    expect(addon).to.be.an('object');
  });

  it('locks every dependency by its hash and names no registry', async () => {
    const { packages } = await readJson('package-lock.json');
    for (const [path, entry] of Object.entries<{ integrity?: string; resolved?: string }>(packages)) {
      if (path === '') continue;
      expect(entry.integrity, path).to.match(/^sha512-/);
      expect(entry.resolved, path).to.equal(undefined);
    }
  });

  it('declares no install script, which npm would skip or run without need', async () => {
    const { scripts } = await readJson('package.json');
    expect(scripts).to.not.have.any.keys('preinstall', 'install', 'postinstall', 'prepare', 'prebuild');
  });

  it('holds what users need, and nothing of the development', () => {
    const pack = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(pack.status, pack.stderr).to.equal(0);
    const [{ files }] = JSON.parse(pack.stdout);
    const paths: string[] = files.map(({ path }: { path: string }) => path);
    expect(paths).to.include.members([
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'native/addon.cpp',
      'native/CMakeLists.txt',
      'CMakeLists.txt',
      'LICENSE',
      `models/${basename(defaultModelFile())}`,
    ]);
    const published =
      /^(package\.json|README\.md|LICENSE|CMakeLists\.txt|dist\/.*\.(js|d\.ts|js\.map)|native\/.*(\.cmake|\.cpp|\.h|\.cu|CMakeLists\.txt|\/keep-report\.sh)|models\/[^/]+\.(safetensors|md|recipe\.yaml|log\.jsonl)|recipes\/([^/]+\/)?[^/]+\.yaml|prebuilds\/[^/]+\/(ocrnet\.[\w.]+node|lib[\w.+-]+|licenses\/[\w.+-]+))$/;
    expect(paths.filter((path) => !published.test(path))).to.deep.equal([]);
  });
});

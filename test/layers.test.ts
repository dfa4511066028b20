import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

// Who may import whom (docs/architecture.md): what a folder needs stands below it, never above.

const root = fileURLToPath(new URL('..', import.meta.url));

function filesUnder(folder: string, endings: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => endings.test(file))
    .map((file) => join(folder, file));
}

/** For each file, the project's files that it names, as paths from the root. */
function references(
  files: readonly string[],
  pattern: RegExp,
  resolve: (from: string, to: string) => string,
) {
  return files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(pattern)].map((match) => ({
      from: file,
      to: resolve(file, match[1] as string),
    })),
  );
}

function expectLayers(
  uses: readonly { from: string; to: string }[],
  allowed: Readonly<Record<string, readonly string[]>>,
  layerOf: (file: string) => string,
): void {
  for (const { from, to } of uses) {
    const [user, used] = [layerOf(from), layerOf(to)];
    expect(allowed, `${from} is in no known layer`).to.have.property(user);
    if (user !== used) expect(allowed[user], `${from} uses ${to}`).to.include(used);
  }
}

describe('layers', () => {
  it('hold in TypeScript', () => {
    const base = ['errors.ts', 'version.ts', 'files.ts', 'nearest.ts'];
    const graph = [...base, 'ir', 'ops'];
    const allowed: Record<string, readonly string[]> = {
      'errors.ts': [],
      'version.ts': [],
      'files.ts': base,
      'nearest.ts': [],
      ir: base,
      ops: [...base, 'ir'],
      nn: graph,
      models: [...graph, 'nn'],
      compile: graph,
      checkpoint: graph,
      export: [...graph, 'checkpoint'],
      image: base,
      data: [...base, 'ir', 'nn', 'image'],
      evaluate: [...base, 'ir', 'image'],
      terminal: base,
      logging: [...base, 'terminal'],
      report: [...base, 'image', 'evaluate', 'terminal', 'logging'],
      losses: graph,
      optim: graph,
      runtime: [...graph, 'compile', 'image', 'evaluate'],
      serve: [...graph, 'nn', 'models', 'compile', 'checkpoint', 'export', 'image', 'evaluate', 'runtime'],
      train: [
        ...graph,
        ...['nn', 'models', 'compile', 'losses', 'optim', 'checkpoint', 'image', 'data', 'evaluate'],
      ].concat(['runtime', 'serve', 'logging', 'report']),
      'index.ts': ['*'],
      'quickstart.ts': ['*'],
      cli: ['*'],
    };
    const all = Object.keys(allowed);
    for (const [layer, list] of Object.entries(allowed)) if (list.includes('*')) allowed[layer] = all;
    const uses = references(filesUnder('lib', /\.ts$/), /from '(\.[^']+)'/g, (from, to) =>
      relative(root, join(root, dirname(from), to)).replace(/\.js$/, '.ts'),
    );
    expect(uses).not.to.have.length(0);
    expectLayers(uses, allowed, (file) => file.split('/')[1] as string);
  });

  it('hold in C++', () => {
    const allowed = {
      core: [],
      plan: ['core'],
      runtime: ['core', 'plan'],
      cpu: ['core', 'plan', 'runtime'],
      emulation: ['core'],
      cuda: ['core', 'plan', 'runtime', 'emulation'],
      bindings: ['core', 'plan', 'runtime', 'cpu', 'cuda'],
      'addon.cpp': ['bindings'],
    };
    const files = filesUnder('native', /\.(cpp|h|cu)$/);
    const uses = references(files, /^#include "([^"]+)"/gm, (_, to) => join('native', to));
    expect(uses).not.to.have.length(0);
    expectLayers(uses, allowed, (file) => file.split('/')[1] as string);
    // Kernels are written for GPUs: only what they are launched with, the device's primitives, and what opens a library of
    // kernels know the emulation.
    for (const { from, to } of uses)
      if (from.startsWith('native/cuda/') && to.startsWith('native/emulation/'))
        expect(from).to.match(/^native\/cuda\/(launch\.h$|device\/|cudnn\/library\.cpp$)/);
  });
});

import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { mustRun, root, run, SetupError, step } from '../setup/run.mjs';

/** What the folder may weigh. */
export const mostBytes = 60e6;

/** Files of the checkout that the suite needs as they are: to build, to test, and for PyTorch's side. */
const sources =
  /^(CMakeLists\.txt|package\.json|native\/.*|test\/native\/.*|bench\/peers\/[\w-]+\.py|test\/golden\/contexts\.py)$/;

/** Headers that the addon is compiled with; Node.js needs nothing else of these packages. */
const headerFolders = ['node-api-headers/include', 'node-addon-api'];

/**
 * Puts everything that the GPU suite needs on a machine without Node.js and without a network into one folder, made anew.
 *
 * @param {string} folder
 */
export async function pack(folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await step('compiling the benches', () => compileSuite(folder));
  await copySources(folder);
  for (const name of await neededPackages(folder)) await copyPackage(name, folder);
  for (const headers of headerFolders) await copyHeaders(join('node_modules', headers), folder);
  await writeFile(join(folder, 'COMMIT'), await commit());
  await cp(join(root, 'scripts/gpu/run.sh'), join(folder, 'run.sh'));
  await step('packing Node.js', () => packTree(folder, 'node', collectNode));
  await step('packing oneDNN', () => packTree(folder, 'onednn', collectOneDnn));
  await requireSmall(folder);
}

/**
 * Compiles the suite's main program and all that it imports, each file to its place in the checkout.
 *
 * @param {string} folder
 */
export async function compileSuite(folder) {
  const compiler = 'node_modules/typescript/bin/tsc';
  await mustRun(process.execPath, [compiler, '--project', 'scripts/gpu/tsconfig.json', '--outDir', folder]);
}

/** @param {string} folder */
async function copySources(folder) {
  const { code, output } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard']);
  if (code !== 0) throw new SetupError(`git ls-files failed: expected a checkout\n${output.trimEnd()}`);
  const files = output.split('\n').filter((file) => sources.test(file));
  for (const file of files) await cp(join(root, file), join(folder, file));
}

/**
 * The npm packages that compiled files import, and all that these depend on.
 *
 * @param {string} folder
 * @returns {Promise<string[]>} sorted
 */
export async function neededPackages(folder) {
  // Looked for by its name at run time, to find an addon.
  const names = new Set(['node-gyp-build']);
  for (const file of await listFiles(folder, /\.js$/)) {
    if (file.includes('/node_modules/')) continue;
    for (const [, name = ''] of (await readFile(file, 'utf8')).matchAll(/\bfrom '([^'.][^']*)'/g))
      names.add(packageOf(name));
  }
  for (const builtin of builtinModules) names.delete(builtin);
  // A set that grows while it is walked gives what was added too.
  for (const name of names) {
    const manifest = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8'));
    for (const dependency of Object.keys(manifest.dependencies ?? {})) names.add(dependency);
  }
  return [...names].sort();
}

/** @param {string} specifier "@scope/name/file" */
function packageOf(specifier) {
  if (specifier.startsWith('node:')) return specifier.slice('node:'.length).split('/')[0] ?? '';
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * Copies what Node.js loads of a package, and its licence: no types, sources, maps.
 *
 * @param {string} name
 * @param {string} folder
 */
async function copyPackage(name, folder) {
  const from = await realpath(join(root, 'node_modules', name));
  for (const file of await listFiles(from, /(\.[cm]?js|\/package\.json|\/licen[cs]e[^/]*)$/i)) {
    const path = relative(from, file);
    if (!/^(src|test|tests|node_modules)\//.test(path))
      await cp(file, join(folder, 'node_modules', name, path));
  }
}

/** @param {string} from @param {string} folder */
async function copyHeaders(from, folder) {
  for (const file of await listFiles(await realpath(join(root, from)), /\.h$/))
    await cp(file, join(folder, from, file.slice(file.lastIndexOf('/') + 1)));
}

async function commit() {
  const { code, output } = await run('git', ['describe', '--always', '--dirty']);
  return code === 0 ? output : 'unknown\n';
}

/**
 * Packs NAME.tar.xz of what `collect` puts into a folder.
 *
 * @param {string} folder
 * @param {string} name
 * @param {(into: string) => Promise<void>} collect
 */
async function packTree(folder, name, collect) {
  const tree = await mkdtemp(join(folder, `${name}-`));
  try {
    await collect(tree);
    const archive = join(folder, `${name}.tar.xz`);
    await mustRun('tar', [
      '--create',
      '--file',
      archive,
      '--use-compress-program',
      'xz -1 -T0',
      '-C',
      tree,
      '.',
    ]);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** @param {string} into */
async function collectNode(into) {
  await cp(await realpath(process.execPath), join(into, 'node'));
}

/**
 * oneDNN with OpenCL's loader, which Debian's asks for, and a configuration for CMake that works wherever the folder lies.
 *
 * @param {string} into
 */
async function collectOneDnn(into) {
  for (const library of ['libdnnl.so.2', 'libOpenCL.so.1'])
    await cp(await sharedLibrary(library), join(into, 'onednn/lib', library));
  const headers = await oneDnnHeaders();
  await cp(join(headers, 'oneapi'), join(into, 'onednn/include/oneapi'), { recursive: true });
  await cp(join(root, 'scripts/gpu/dnnl-config.cmake'), join(into, 'onednn/dnnl-config.cmake'));
}

/** @param {string} name */
async function sharedLibrary(name) {
  const { output } = await run('/sbin/ldconfig', ['-p']);
  const path = output
    .split('\n')
    .find((line) => line.trim().startsWith(`${name} `))
    ?.split(' => ')[1];
  if (path) return await realpath(path);
  throw new SetupError(`${name} was not found by ldconfig: expected Debian's libdnnl2`);
}

async function oneDnnHeaders() {
  const header = 'oneapi/dnnl/dnnl.hpp';
  const compiler = process.env.CXX ?? 'c++';
  const { output } = await run(compiler, ['-M', '-x', 'c++', '-include', header, '/dev/null']);
  const path = output.split(/\s+/).find((one) => one.endsWith(`/${header}`));
  if (path) return dirname(dirname(dirname(path)));
  throw new SetupError(`oneDNN's headers were not found: expected Debian's libdnnl-dev`);
}

/** @param {string} folder */
async function requireSmall(folder) {
  const files = await listFiles(folder, /./);
  const sizes = await Promise.all(files.map(async (file) => ({ file, bytes: (await stat(file)).size })));
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const largest = sizes
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 5)
    .map(({ file, bytes }) => `${relative(folder, file)} ${megabytes(bytes)}`);
  console.log(`${folder}: ${megabytes(total)} in ${files.length} files, most in ${largest.join(', ')}`);
  if (total <= mostBytes) return;
  throw new SetupError(
    `expected a folder of at most ${megabytes(mostBytes)}, made one of ${megabytes(total)}`,
  );
}

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * @param {string} folder
 * @param {RegExp} wanted
 * @returns {Promise<string[]>}
 */
async function listFiles(folder, wanted) {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => wanted.test(file));
}

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { mustRun, root, step } from './run.mjs';
import { requireBuildTools } from './system.mjs';

const cmakeJs = 'node_modules/cmake-js/bin/cmake-js';
const addon = 'build/Release/ocrnet.node';
/** The addon of tests: its GPU is emulated by the processor. */
export const emulatedAddon = 'build/emulated/ocrnet.node';
const command = 'dist/cli/main.js';

/** Installs the npm packages unless node_modules holds exactly what the lock file asks for. */
export async function installPackages() {
  if (await installedPackagesMatch()) return;
  // No dependency needs its install script: all bring their binaries in the package.
  const install = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await step('installing npm packages', () => mustRun('npm', install));
}

/** Whether the addon gets kernels for GPUs: ON, OFF, or AUTO, where there is nvcc of CUDA 13. */
const cuda = process.env.OCRNET_CUDA ?? 'AUTO';

/** Builds the addon unless it was built from the sources as they are. */
export async function buildNative() {
  const stamp = await Stamp.of('native', ['native', 'CMakeLists.txt', 'package.json'], `cuda ${cuda}`);
  if (existsSync(join(root, addon)) && (await stamp.isCurrent())) return;
  await requireBuildTools();
  await step('building the native addon', async () => {
    const build = [cmakeJs, 'build', `--CDOCRNET_CUDA=${cuda}`, '--target', 'ocrnet'];
    await mustRun(process.execPath, [...build, ...parallel('--parallel')]);
    await stamp.write();
  });
}

/** Builds the native tests and the emulated addon in the addon's build folder, which shares its objects. */
export async function buildNativeTests() {
  const targets = ['--target', 'native-tests', 'ocrnet-emulated'];
  await step('building the native tests', () =>
    mustRun('cmake', ['--build', 'build', ...targets, ...parallel('--parallel')]),
  );
}

/**
 * Builds the native tests a second time, under AddressSanitizer and UBSan, without Node; those of CUDA's kernels only if
 * asked to.
 *
 * @param {{ cuda: boolean }} options
 * @returns {Promise<string>} the build folder
 */
export async function buildSanitizedNativeTests({ cuda }) {
  await requireBuildTools();
  const folder = cuda ? 'build-sanitize-cuda' : 'build-sanitize';
  const configure = [
    '-DOCRNET_SANITIZE=ON',
    '-DOCRNET_CUDA=OFF',
    `-DOCRNET_TEST_CUDA=${cuda ? 'ON' : 'OFF'}`,
  ];
  const build = ['--build', folder, '--target', 'native-tests', ...parallel('--parallel')];
  await step('building the native tests with sanitizers', async () => {
    await mustRun('cmake', ['-S', '.', '-B', folder, ...configure]);
    await mustRun('cmake', build);
  });
  return folder;
}

/** Compiles lib/ into dist/ unless dist/ was compiled from the sources as they are. */
export async function buildTypeScript() {
  const stamp = await Stamp.of('typescript', ['lib', 'tsconfig.json', 'package-lock.json']);
  if (existsSync(join(root, 'dist/index.js')) && (await stamp.isCurrent())) return;
  await step('compiling TypeScript', async () => {
    await mustRun(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.json']);
    await removeOrphans();
    if (existsSync(join(root, command))) await chmod(join(root, command), 0o755);
    await stamp.write();
  });
}

/**
 * Makes `npx ocrnet` run this checkout: npx looks in node_modules/.bin first, and npm links a package's own command
 * there only when it is installed elsewhere.
 */
export async function linkCommand() {
  const link = join(root, 'node_modules/.bin/ocrnet');
  if (process.platform === 'win32' || existsSync(link) || !existsSync(join(root, command))) return;
  await rm(link, { force: true });
  await symlink(join('../..', command), link);
}

/** The hash of some sources and settings, kept in build/ from one build to the next. */
class Stamp {
  /** @param {string} file @param {string} hash */
  constructor(file, hash) {
    this.file = file;
    this.hash = hash;
  }

  /** @param {string} name @param {string[]} sources files and folders @param {string} [settings] */
  static async of(name, sources, settings = '') {
    const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${settings}`);
    for (const source of sources) {
      for (const file of await listFiles(join(root, source))) {
        hash.update(`\0${relative(root, file)}\0`).update(await fingerprint(file));
      }
    }
    return new Stamp(join(root, `build/.${name}-sources.sha256`), hash.digest('hex'));
  }

  async isCurrent() {
    return existsSync(this.file) && (await readFile(this.file, 'utf8')) === this.hash;
  }

  async write() {
    await mkdir(join(root, 'build'), { recursive: true });
    await writeFile(this.file, this.hash);
  }
}

/**
 * What of a file the build depends on: of package.json only the version, of other files everything.
 *
 * @param {string} file
 */
async function fingerprint(file) {
  const bytes = await readFile(file);
  return file === join(root, 'package.json') ? String(JSON.parse(bytes.toString()).version) : bytes;
}

/**
 * @param {string} path a file, or a folder to walk; nothing if it does not exist
 * @returns {Promise<string[]>} sorted
 */
async function listFiles(path) {
  if (!existsSync(path)) return [];
  try {
    const entries = await readdir(path, { withFileTypes: true, recursive: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return [path];
    throw error;
  }
}

/** Removes what earlier compilations left in dist/ of sources that are gone. */
async function removeOrphans() {
  const dist = join(root, 'dist');
  for (const file of await listFiles(dist)) {
    const stem = relative(dist, file).replace(/(\.d\.ts|\.js)(\.map)?$/, '');
    if (!existsSync(join(root, 'lib', `${stem}.ts`))) await rm(file);
  }
}

/** Whether every package of the lock file is installed in its version, the optional ones of other systems apart. */
async function installedPackagesMatch() {
  const installedLock = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedLock)) return false;
  const installed = JSON.parse(await readFile(installedLock, 'utf8')).packages;
  const locked = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(locked).every(
    ([path, entry]) =>
      path === '' || (installed[path] ? installed[path].version === entry.version : entry.optional === true),
  );
}

/** @param {string} flag */
const parallel = (flag) => [flag, String(availableParallelism())];

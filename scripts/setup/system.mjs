import { existsSync } from 'node:fs';
import { run, SetupError, step } from './run.mjs';

/**
 * @typedef {object} Requirement
 * @property {string} what What is needed, for someone whose system has other package names.
 * @property {string[]} debianPackages
 * @property {() => Promise<boolean>} present
 */

/** @param {string} command @param {...string} args */
const succeeds = async (command, ...args) => (await run(command, args)).code === 0;

const compiler = process.env.CXX ?? 'c++';

/** @type {Requirement[]} */
const buildRequirements = [
  {
    what: 'a C++20 compiler',
    debianPackages: ['g++'],
    present: () => succeeds(compiler, '-std=c++20', '-fsyntax-only', '-x', 'c++', '/dev/null'),
  },
  { what: 'CMake 3.22 or newer', debianPackages: ['cmake'], present: hasCmake },
  {
    what: 'make or ninja',
    debianPackages: ['make'],
    present: async () => (await succeeds('ninja', '--version')) || (await succeeds('make', '--version')),
  },
  {
    what: 'oneDNN 2.6 or newer with its CMake files',
    // oneDNN's CMake files ask for OpenCL's headers, which libdnnl-dev only recommends.
    debianPackages: ['libdnnl-dev', 'ocl-icd-opencl-dev'],
    present: hasOneDnn,
  },
];

/** @type {Requirement} */
const clangFormat = {
  what: 'clang-format 14 or newer',
  debianPackages: ['clang-format'],
  present: () => succeeds('clang-format', '--version'),
};

/** @type {Requirement} */
const cppcheck = {
  what: 'cppcheck',
  debianPackages: ['cppcheck'],
  present: () => succeeds('cppcheck', '--version'),
};

async function hasCmake() {
  const { output } = await run('cmake', ['--version']);
  const match = /cmake version (\d+)\.(\d+)/.exec(output);
  return match !== null && Number(match[1]) * 100 + Number(match[2]) >= 322;
}

async function hasOneDnn() {
  // Someone who points CMake at an installation of his own gets CMake's word on it.
  if (process.env.CMAKE_PREFIX_PATH ?? process.env.dnnl_DIR ?? process.env.dnnl_ROOT) return true;
  const headers = ['-include', 'oneapi/dnnl/dnnl.hpp', '-include', 'CL/cl.h'];
  return succeeds(compiler, '-std=c++20', '-E', '-o', '/dev/null', ...headers, '-x', 'c++', '/dev/null');
}

/** Throws unless this Node.js is one that the package supports. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`ocrnet needs Node.js 20.19 or newer, this is ${process.versions.node}`);
}

/** Makes sure that the addon can be built: installs what is missing or says what to install. */
export const requireBuildTools = () => requireAll(buildRequirements);

/** Makes sure that the C++ sources can be formatted and linted. */
export const requireCppTools = () => requireAll([clangFormat, cppcheck]);

/** @param {Requirement[]} requirements */
async function requireAll(requirements) {
  const missing = await findMissing(requirements);
  if (missing.length === 0) return;
  const names = missing.map(({ what }) => what).join(', ');
  const packages = missing.flatMap(({ debianPackages }) => debianPackages);
  const privilege = await aptPrivilege();
  if (privilege === undefined) {
    throw new SetupError(
      existsSync('/usr/bin/apt-get')
        ? `missing: ${names}\nInstall with: sudo apt-get install ${packages.join(' ')}`
        : `missing: ${names}\nInstall with your package manager (the Debian packages are ${packages.join(', ')})`,
    );
  }
  await step(`installing ${packages.join(', ')}`, () => aptInstall(privilege, packages));
  const stillMissing = await findMissing(requirements);
  if (stillMissing.length > 0) {
    throw new SetupError(
      `still missing after installation: ${stillMissing.map(({ what }) => what).join(', ')}`,
    );
  }
}

/** @param {Requirement[]} requirements */
async function findMissing(requirements) {
  const present = await Promise.all(requirements.map((requirement) => requirement.present()));
  return requirements.filter((_, index) => !present[index]);
}

/**
 * The command prefix under which apt-get may install; undefined where there is no apt-get or no right to use it.
 *
 * @returns {Promise<string[] | undefined>}
 */
async function aptPrivilege() {
  if (!existsSync('/usr/bin/apt-get')) return undefined;
  if (process.getuid?.() === 0) return [];
  return (await succeeds('sudo', '-n', 'true')) ? ['sudo', '-n'] : undefined;
}

/** @param {string[]} privilege @param {string[]} packages */
async function aptInstall(privilege, packages) {
  /** @param {...string} args */
  const apt = (...args) => {
    const [command = 'env', ...rest] = [
      ...privilege,
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      ...args,
    ];
    return run(command, rest);
  };
  const install = ['install', '--yes', '--no-install-recommends', ...packages];
  if ((await apt(...install)).code === 0) return;
  // A fresh or an old machine does not know the packages (any more): learn them, then try again.
  await apt('update');
  const { code, output } = await apt(...install);
  if (code !== 0)
    throw new SetupError(`${output.trimEnd()}\napt-get ${install.join(' ')} failed (exit code ${code})`);
}

import { copyFile, readFile, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run, SetupError } from '../setup/run.mjs';

/**
 * @typedef {object} Library
 * @property {string} name The name by which it is loaded (SONAME).
 * @property {string} path Where the loader finds it.
 */

/** What every machine with Node.js has, since node itself needs it. */
const nodesOwn = /^(linux-vdso|ld-linux[\w-]*|libc|libm|libdl|libpthread|libgcc_s|libstdc\+\+)\.so\b/;

/**
 * The shared libraries, direct and indirect, to be shipped beside the addon.
 *
 * @param {string} addon
 * @returns {Promise<Library[]>}
 */
export async function bundledLibraries(addon) {
  const { code, output } = await run('ldd', [addon]);
  if (code !== 0) throw new SetupError(`ldd ${addon} failed (exit code ${code}):\n${output.trimEnd()}`);
  const libraries = output.matchAll(/^\s+([^\s/]\S*) => (.+?)(?: \(0x[\da-f]+\))?$/gm);
  return [...libraries]
    .map(([, name = '', path = '']) => ({ name, path }))
    .filter(({ name }) => !nodesOwn.test(name))
    .map((library) => {
      if (library.path === 'not found') throw new SetupError(`${addon} needs ${library.name}: not found`);
      return library;
    });
}

/**
 * Copies the copyright files of the libraries' Debian packages and the common licences that these refer to.
 *
 * @param {Library[]} libraries
 * @param {string} folder
 */
export async function copyLicences(libraries, folder) {
  /** @type {Set<string>} */
  const commonLicences = new Set();
  for (const { name, path } of libraries) {
    const copyright = `/usr/share/doc/${await debianPackage(path)}/copyright`;
    await copyFile(copyright, join(folder, `${name}.txt`));
    const references = (await readFile(copyright, 'utf8')).matchAll(
      /\/usr\/share\/common-licenses\/[A-Za-z]+(-[\d.]*\d)?/g,
    );
    for (const [file] of references) commonLicences.add(file);
  }
  for (const file of commonLicences) await copyFile(file, join(folder, `${basename(file)}.txt`));
}

/** @param {string} library */
async function debianPackage(library) {
  const { code, output } = await run('dpkg', ['-S', await realpath(library)]);
  const name = /^([^:\s]+)(:\S+)?: /.exec(output)?.[1];
  if (code === 0 && name !== undefined) return name;
  throw new SetupError(
    `the licence of ${library} is not known: expected a library of a Debian package, received:\n${output.trimEnd()}`,
  );
}

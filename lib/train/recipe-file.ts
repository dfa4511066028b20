import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { describe, invalidArgument, OcrnetError } from '../errors.js';
import { unreadable } from '../files.js';
import { suggest } from '../nearest.js';
import {
  configurationNames,
  findConfiguration,
  isConfiguration,
  tableNames,
  tablePath,
} from './paper-tables.js';

// A recipe is a pile of layers: the files that it extends, the oldest first, its own file, settings of the command line. A
// configuration of the paper is the pile of its recipe and a layer of its own. A layer remembers where it comes from, so that an
// error in the whole can name the line that brought it in.

export interface Layer {
  /** A file, or a setting as it was typed. */
  readonly source: string;
  readonly isSetting: boolean;
  readonly value: Mapping;
  /** The source with the line of what stands at a path, or of the nearest that holds it. */
  locate(path: readonly PropertyKey[]): string;
}

export type Mapping = Readonly<Record<string, unknown>>;

const folder = fileURLToPath(new URL('../../recipes', import.meta.url));
const ending = /\.ya?ml$/;

/** The recipes that ocrnet brings as files. */
const fileNames = (): string[] =>
  readdirSync(folder)
    .filter((file) => ending.test(file))
    .map((file) => file.replace(ending, ''))
    .sort();

/** The recipes that ocrnet brings: files, then the configurations of the paper's tables, as `table-1/da-scheme`. */
export const recipeNames = (): string[] => [...fileNames(), ...configurationNames()];

/** The files of a recipe, what it extends before itself. */
export const layersOf = (nameOrPath: string): Layer[] =>
  layersFrom(nameOrPath, process.cwd(), (expected) => invalidArgument('recipe', expected, nameOrPath), []);

/** Of a name of {@link recipeNames}, or a path from `from`; a path has an ending or a separator. */
function layersFrom(
  nameOrPath: string,
  from: string,
  refuse: (expected: string) => OcrnetError,
  users: readonly string[],
): Layer[] {
  const path = resolve(from, nameOrPath);
  if (ending.test(nameOrPath)) return extendedLayers(path, users);
  // A folder may have a configuration's name: its training's.
  if (isConfiguration(nameOrPath) && !(existsSync(path) && statSync(path).isFile())) {
    const orPath = (expected: string) => refuse(`${expected}, or the path of a .yaml file`);
    const { name, table, recipe, set } = findConfiguration(nameOrPath, orPath);
    return [...layersFrom(recipe, from, refuse, users), valueLayer({ name, ...set }, tablePath(table))];
  }
  if (/[/\\]/.test(nameOrPath)) return extendedLayers(path, users);
  const names = fileNames();
  if (names.includes(nameOrPath)) return extendedLayers(join(folder, `${nameOrPath}.yaml`), users);
  const rows = configurationNames().filter((name) => name.startsWith(`${nameOrPath}/`));
  if (rows.length > 0) throw refuse(`a row of ${nameOrPath}: ${rows.join(', ')}`);
  throw refuse(
    `${suggest('a known name', nameOrPath, [...names, ...tableNames()])}, or the path of a .yaml file`,
  );
}

/** Part of a recipe that has no file of its own. */
export const valueLayer = (value: Mapping, source: string): Layer => ({
  source,
  isSetting: false,
  value,
  locate: () => source,
});

function extendedLayers(path: string, users: readonly string[]): Layer[] {
  if (users.includes(path))
    throw new OcrnetError('INVALID_DATA', 'Recipes extend each other in a circle', {
      expected: 'a chain that ends',
      received: [...users.slice(users.indexOf(path)), path].map((file) => basename(file)).join(' → '),
    });
  const layer = readLayer(path);
  const { extends: base, ...own } = layer.value;
  // A name belongs to one file.
  const value = { name: basename(path).replace(ending, ''), ...own };
  if (base === undefined || base === null) return [{ ...layer, value }];
  const refuse = (expected: string) =>
    new OcrnetError('INVALID_DATA', `${layer.locate(['extends'])}: extends`, {
      expected,
      received: describe(base),
    });
  if (typeof base !== 'string') throw refuse('the name or path of a recipe');
  return [...layersFrom(base, dirname(path), refuse, [...users, path]), { ...layer, value }];
}

function readLayer(path: string): Layer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
  const layer = textLayer(text, path);
  const { pretrained } = layer.value;
  if (typeof pretrained !== 'string') return layer;
  // A recipe and the weights that it starts from travel together.
  return { ...layer, value: { ...layer.value, pretrained: resolve(dirname(path), pretrained) } };
}

/** A recipe's text as a layer of its own. */
export function textLayer(text: string, source: string): Layer {
  const { value, locate } = parseYaml(text, source, 'INVALID_DATA');
  if (isMapping(value)) return { source, isSetting: false, value, locate };
  throw new OcrnetError('INVALID_DATA', source, { expected: 'a mapping of keys', received: describe(value) });
}

/** The keys of `key.path=value`. */
export const settingPath = (setting: string): string[] =>
  setting
    .slice(0, Math.max(setting.indexOf('='), 0))
    .trim()
    .split('.');

/** `key.path=value` as a layer. */
export function settingLayer(setting: string): Layer {
  const at = setting.indexOf('=');
  const keys = settingPath(setting);
  if (at < 1 || keys.some((key) => key === ''))
    throw invalidArgument('setting', 'key.path=value, such as schedule.rate=0.02', setting);
  const source = `--set ${setting}`;
  const { value } = parseYaml(setting.slice(at + 1), source, 'INVALID_ARGUMENT');
  const layered = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Mapping;
  if ('extends' in layered)
    throw invalidArgument('setting', 'a key of the recipe; extends stands in files', setting);
  return { source, isSetting: true, value: layered, locate: () => source };
}

function parseYaml(
  text: string,
  source: string,
  code: 'INVALID_DATA' | 'INVALID_ARGUMENT',
): { value: unknown; locate: Layer['locate'] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const notYaml = (problem: Error) =>
    new OcrnetError(code, `${source} is not YAML: ${problem.message.split('\n')[0]}`, { cause: problem });
  const [problem] = document.errors;
  if (problem) throw notYaml(problem);
  const locate: Layer['locate'] = (path) => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return `${source}:${lines.linePos(node.range[0]).line}`;
    }
    return source;
  };
  try {
    return { value: document.toJS() ?? null, locate };
  } catch (error) {
    // Aliases to nothing, or too many of them.
    throw notYaml(error as Error);
  }
}

export const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lays one layer over another; see loadRecipe for the rules. */
export function merge(layers: readonly Mapping[]): Mapping {
  return layers.reduce<Mapping>((below, above) => mergeMappings(below, above, ''), {});
}

// Mappings of which there are several forms: half of one and half of another makes none. Some say by their kind which form they
// are, others by their keys.
const kinds: readonly string[] = ['optimiser', 'model.backbone', 'model.context', 'context'];
const forms: readonly string[] = ['augment.scale', 'augment.resize'];
/** A kind alone means the same as a mapping with nothing else. */
const namedByKind: readonly string[] = ['context'];

function mergeMappings(below: Mapping, above: Mapping, path: string): Mapping {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, given] of Object.entries(above)) {
    const at = path === '' ? key : `${path}.${key}`;
    const value = namedByKind.includes(at) && typeof given === 'string' ? { kind: given } : given;
    const before = Object.hasOwn(below, key) ? below[key] : undefined;
    if (value === null) delete merged[key];
    else if (isMapping(value)) {
      const joins = isMapping(before) && !isOtherForm(before, value, at);
      merged[key] = mergeMappings(joins ? before : {}, value, at);
    } else merged[key] = value;
  }
  return merged;
}

function isOtherForm(before: Mapping, value: Mapping, path: string): boolean {
  if (kinds.includes(path)) return 'kind' in value && before.kind !== value.kind;
  return forms.includes(path) && Object.keys(value).some((key) => key !== 'spacing' && !(key in before));
}

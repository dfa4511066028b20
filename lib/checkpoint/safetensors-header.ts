import { isUtf8 } from 'node:buffer';
import { describe, OcrnetError } from '../errors.js';
import type { Shape } from '../ir/tensor-type.js';

/** Bytes an element of each type of the format. */
export const safetensorsTypes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;
export type SafetensorsType = keyof typeof safetensorsTypes;

export interface SafetensorsEntry {
  readonly dataType: SafetensorsType;
  readonly shape: Shape;
  /** Position of the first byte in the file. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** Bytes of the length field in front of the header. */
export const lengthBytes = 8;
/** What the format's reference implementation accepts, so that a hostile length cannot exhaust the memory. */
export const maximumHeaderBytes = 100_000_000;

export const metadataKey = '__metadata__';

/**
 * Checks a header against all that the format demands: JSON without duplicate keys, known types, shape × type = bytes, and
 * tensors that cover the rest of the file exactly, without overlap or gap.
 *
 * @param text - the header's bytes
 * @param dataBytes - size of what follows the header in the file
 */
export function parseHeader(path: string, text: Uint8Array, dataBytes: number): SafetensorsHeader {
  const decoded = decode(path, text);
  const json = parseJson(path, decoded);
  const dataStart = lengthBytes + text.length;
  const metadata = parseMetadata(path, json[metadataKey]);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(json))
    if (name !== metadataKey) tensors.set(name, parseEntry(path, name, value, dataStart));
  requireDistinctKeys(path, decoded);
  requireCover(path, tensors, dataStart, dataStart + dataBytes);
  return { metadata, tensors };
}

function decode(path: string, text: Uint8Array): string {
  // The format wants the brace first: neither spaces nor a byte order mark.
  if (text[0] !== 0x7b || !isUtf8(text))
    throw new OcrnetError('INVALID_WEIGHTS', `${path} is not a safetensors file`, {
      expected: 'a header of UTF-8 text that starts with {',
      received: describe(text),
    });
  return new TextDecoder().decode(text);
}

function parseJson(path: string, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new OcrnetError('INVALID_WEIGHTS', `${path}: the header is not valid JSON`, {
      received: (error as SyntaxError).message,
      cause: error,
    });
  }
}

/** JSON.parse keeps the last of two equal keys, so that a name could mean one tensor here and another elsewhere. */
function requireDistinctKeys(path: string, json: string): void {
  const keys = new Set<string>();
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
      if (depth !== 1) continue;
      // All values of the outermost object are objects, so a string in it is a key.
      const key: string = JSON.parse(json.slice(start, i + 1));
      if (keys.has(key)) throw new OcrnetError('INVALID_WEIGHTS', `${path}: two tensors are called "${key}"`);
      keys.add(key);
    }
  }
}

function parseMetadata(path: string, value: unknown): Map<string, string> {
  const metadata = new Map<string, string>();
  if (value === undefined) return metadata;
  if (!isRecord(value)) throw invalid(path, metadataKey, 'is malformed', 'an object of strings', value);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw invalid(path, `${metadataKey}.${key}`, 'is malformed', 'a string', text);
    metadata.set(key, text);
  }
  return metadata;
}

function parseEntry(path: string, name: string, value: unknown, dataStart: number): SafetensorsEntry {
  const wrong = (what: string, expected: string, received: unknown) =>
    invalid(path, name, what, expected, received);
  if (!isRecord(value)) throw wrong('is malformed', 'an object with dtype, shape and data_offsets', value);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(safetensorsTypes, dtype))
    throw wrong('has an unknown dtype', `one of ${Object.keys(safetensorsTypes).join(', ')}`, dtype);
  if (!isSizes(shape)) throw wrong('has an invalid shape', 'a list of sizes', shape);
  if (!isSizes(offsets) || offsets.length !== 2)
    throw wrong('has invalid data_offsets', 'the first byte and the one after the last', offsets);
  const [begin, end] = offsets as [number, number];
  const dataType = dtype as SafetensorsType;
  const wanted = shape.reduce((product, size) => product * size, safetensorsTypes[dataType]);
  if (end - begin !== wanted)
    throw wrong(
      'has data_offsets that do not fit its shape',
      `${wanted} bytes for ${dataType} ${JSON.stringify(shape)}`,
      end - begin,
    );
  return { dataType, shape, offset: dataStart + begin, byteLength: wanted };
}

function requireCover(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  start: number,
  end: number,
): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let position = start;
  for (const [name, { offset, byteLength }] of inOrder) {
    if (offset + byteLength > end)
      throw invalid(
        path,
        name,
        'ends beyond the file, which is truncated or malformed',
        `at most ${end} bytes`,
        offset + byteLength,
      );
    if (offset !== position)
      throw invalid(
        path,
        name,
        offset < position ? 'overlaps the tensor before it' : 'leaves a gap before it',
        `its first byte at ${position}`,
        offset,
      );
    position += byteLength;
  }
  if (position !== end)
    throw new OcrnetError('INVALID_WEIGHTS', `${path}: bytes that belong to no tensor follow the last one`, {
      expected: `a file of ${position} bytes`,
      received: `${end}`,
    });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

const invalid = (path: string, name: string, what: string, expected: string, received: unknown) =>
  new OcrnetError('INVALID_WEIGHTS', `${path}: tensor "${name}" ${what}`, {
    expected,
    // Lists in a hostile header may be nested deeper than a recursive description can follow.
    received: Array.isArray(received) && received.some(Array.isArray) ? 'nested lists' : describe(received),
  });

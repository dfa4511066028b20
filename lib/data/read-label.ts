import { readFile } from 'node:fs/promises';
import { type DecodedPng, decode } from 'fast-png';
import { OcrnetError } from '../errors.js';
import { unreadable } from '../files.js';
import type { LabelImage } from '../image/label-png.js';
import type { LabelTable } from './label-values.js';

/**
 * Reads a label PNG: gray of 1 to 16 bits by its values, indexed by its indices (the palette is for people), RGB by its
 * colours. sharp would turn indices into colours and scale gray of few bits to 255.
 *
 * @throws OcrnetError FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_DATA
 */
export async function readLabelPng(path: string, table: LabelTable): Promise<LabelImage> {
  const bytes = await readFile(path).catch((error) => {
    throw unreadable(path, error);
  });
  const png = decodePng(bytes, path);
  const { width, height, channels, depth, data } = png;
  if (channels === 1) {
    const values = depth < 8 ? unpack(data, width, height, depth) : data;
    return { labels: table.fromValues(values, width, path), width, height };
  }
  if ((channels === 3 || channels === 4) && depth === 8)
    return { labels: table.fromColours(data, channels, width, path), width, height };
  throw new OcrnetError('INVALID_DATA', `${path} is no label picture`, {
    expected: 'one channel of up to 16 bits, or RGB of 8',
    received: `${channels} channels of ${depth} bits`,
  });
}

function decodePng(bytes: Buffer, path: string): DecodedPng {
  const fail = (received: string, cause?: unknown) =>
    new OcrnetError('INVALID_DATA', `Cannot decode the labels ${path}`, {
      expected: 'a whole PNG',
      received,
      cause,
    });
  if (bytes.length === 0) throw fail('an empty file');
  let png: DecodedPng;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { width, height, channels, depth } = png;
  // The decoder spreads interlaced pixels by whole bytes.
  if (depth < 8 && bytes[interlaceAt] !== 0) throw fail(`an interlaced PNG of ${depth} bits`);
  if (png.data.length !== height * Math.ceil((width * channels * Math.min(depth, 8)) / 8))
    throw fail(`${png.data.length} values for ${width}×${height} pixels`);
  return png;
}

/** Offset of the interlace method: signature, chunk head, then the header's last byte. */
const interlaceAt = 8 + 8 + 12;

/** Pixels of 1, 2 or 4 bits as bytes; each row starts on a byte, the leftmost pixel in its highest bits. */
function unpack(packed: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const values = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  const mask = (1 << depth) - 1;
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to++) {
      const bit = x * depth;
      values[to] = ((packed[y * rowBytes + (bit >> 3)] as number) >> (8 - depth - (bit & 7))) & mask;
    }
  return values;
}

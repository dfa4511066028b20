import { promisify } from 'node:util';
import { crc32, deflate } from 'node:zlib';
import { OcrnetError } from '../errors.js';
import type { Palette } from './palette.js';

/** The class of each pixel, row by row. */
export interface LabelImage {
  readonly labels: Uint8Array | Uint16Array;
  readonly width: number;
  readonly height: number;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const grayscale = 0;
const indexed = 3;
/** On label maps, level 3 is twice as fast as 4 and a fifth smaller than 1; row filters make them larger, not smaller. */
const compressionLevel = 3;

const deflateInBackground = promisify(deflate);

/**
 * Labels as a PNG file whose pixel values are the labels. Up to 256 colours: 8 bits with the palette, as PASCAL VOC and
 * Cityscapes keep theirs; above: 16-bit gray, which has no palette. Compression runs outside the event loop.
 *
 * @param palette - a colour for each class
 * @throws OcrnetError `INVALID_ARGUMENT` for a label without a colour or labels that do not fill the picture
 */
export async function encodeLabelPng(
  { labels, width, height }: LabelImage,
  palette: Palette,
): Promise<Uint8Array> {
  if (labels.length !== width * height || labels.length === 0)
    throw new OcrnetError('INVALID_ARGUMENT', 'The labels do not fill the picture', {
      expected: `${width}×${height} labels, more than none`,
      received: `${labels.length}`,
    });
  const colors = palette.length / 3;
  requireColors(labels, colors);
  const withPalette = colors <= 256;
  const rows = withPalette ? rowsOfBytes(labels, width, height) : rowsOfWords(labels, width, height);
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, withPalette ? 8 : 16);
  header.setUint8(9, withPalette ? indexed : grayscale);
  return Buffer.concat([
    signature,
    chunk('IHDR', new Uint8Array(header.buffer)),
    ...(withPalette ? [chunk('PLTE', palette)] : []),
    chunk('IDAT', await deflateInBackground(rows, { level: compressionLevel, memLevel: 9 })),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

function requireColors(labels: Uint8Array | Uint16Array, colors: number): void {
  let largest = 0;
  for (let i = 0; i < labels.length; i++) if ((labels[i] as number) > largest) largest = labels[i] as number;
  if (largest >= colors)
    throw new OcrnetError('INVALID_ARGUMENT', 'A label has no colour in the palette', {
      expected: `labels below ${colors}`,
      received: `${largest}`,
    });
}

/** Each row after a zero, PNG's mark for a row that is not filtered. */
function rowsOfBytes(labels: Uint8Array | Uint16Array, width: number, height: number): Uint8Array {
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) rows.set(labels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  return rows;
}

function rowsOfWords(labels: Uint8Array | Uint16Array, width: number, height: number): Uint8Array {
  const rows = new Uint8Array(height * (2 * width + 1));
  for (let y = 0, to = 0; y < height; y++) {
    to++;
    for (let x = 0; x < width; x++) {
      const label = labels[y * width + x] as number;
      rows[to++] = label >> 8;
      rows[to++] = label;
    }
  }
  return rows;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
  return bytes;
}

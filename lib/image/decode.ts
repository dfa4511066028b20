import { open } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import sharp from 'sharp';
import { describe, invalidArgument, OcrnetError } from '../errors.js';
import { unreadable } from '../files.js';

/** Upright RGB bytes, (height, width, 3). */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Pixels that are decoded already, (height, width, channels): gray, gray and alpha, RGB, or RGB and alpha. */
export interface RawImage {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
}

/** A path, an encoded picture in memory, a sharp instance (its own pipeline runs first), or raw pixels. */
export type ImageInput = string | Uint8Array | Sharp | RawImage;

export interface DecodeOptions {
  /** Pictures with more pixels are refused before they are decoded; 100 million unless told. */
  readonly maxPixels?: number;
}

const defaultMaxPixels = 100_000_000;

/**
 * A picture as RGB bytes in sRGB: turned upright as its EXIF data says, gray spread over three channels, CMYK and wide gamuts
 * converted by their profiles, 16 bits scaled to 8. Transparent parts go over black, since what a file holds beneath them
 * is arbitrary. Of an animation, the first frame.
 *
 * Raw RGB bytes are taken as they are and shared, not copied.
 *
 * @throws OcrnetError `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `UNSUPPORTED_IMAGE` for what is no picture or a damaged one,
 * `IMAGE_TOO_LARGE`, `INVALID_ARGUMENT`
 */
export async function decodeImage(
  input: ImageInput,
  { maxPixels = defaultMaxPixels }: DecodeOptions = {},
): Promise<RgbImage> {
  if (!Number.isSafeInteger(maxPixels) || maxPixels < 1)
    throw invalidArgument('maxPixels', 'a positive integer', maxPixels);
  if (typeof input === 'string') {
    await requireReadable(input);
    return decode(input, input, maxPixels);
  }
  if (input instanceof Uint8Array) {
    if (input.length === 0) throw unsupported('the picture', 'an empty buffer');
    return decode('the picture', input, maxPixels);
  }
  if (isSharp(input)) return render('the picture', input.clone(), maxPixels);
  return fromRaw(input, maxPixels);
}

async function decode(name: string, source: string | Uint8Array, maxPixels: number): Promise<RgbImage> {
  // A picture cut short is an error; oddities that every viewer passes over are not.
  const options = { limitInputPixels: false, failOn: 'error' } as const;
  const { width, height } = await sharp(source, options)
    .metadata()
    .catch((error) => {
      throw unsupported(name, undefined, error);
    });
  requirePixels(name, width, height, maxPixels);
  return render(name, sharp(source, options), maxPixels);
}

async function render(name: string, pipeline: Sharp, maxPixels: number): Promise<RgbImage> {
  const upright = pipeline.autoOrient().flatten({ background: 'black' }).toColourspace('srgb');
  const { data, info } = await upright
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((error) => {
      throw unsupported(name, undefined, error);
    });
  const { width, height, channels } = info;
  requirePixels(name, width, height, maxPixels);
  if (channels === 3) return { data, width, height };
  return fromRaw({ data, width, height, channels } as RawImage, maxPixels);
}

async function fromRaw(input: RawImage, maxPixels: number): Promise<RgbImage> {
  const { data, width, height, channels } = requireRaw(input);
  requirePixels('the picture', width, height, maxPixels);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (channels === 3) return { data: bytes, width, height };
  return { data: toRgb(bytes, channels), width, height };
}

/** Gray is repeated; alpha goes over black. */
function toRgb(pixels: Uint8Array, channels: 1 | 2 | 4): Uint8Array {
  const count = pixels.length / channels;
  const result = new Uint8Array(3 * count);
  const [green, blue] = channels === 4 ? [1, 2] : [0, 0];
  for (let i = 0, from = 0, to = 0; i < count; i++, from += channels, to += 3) {
    const alpha = channels === 1 ? 255 : (pixels[from + channels - 1] as number);
    result[to] = Math.round(((pixels[from] as number) * alpha) / 255);
    result[to + 1] = Math.round(((pixels[from + green] as number) * alpha) / 255);
    result[to + 2] = Math.round(((pixels[from + blue] as number) * alpha) / 255);
  }
  return result;
}

function requireRaw(input: RawImage): RawImage {
  const expected = 'a path, a Buffer or Uint8Array, a sharp instance, or { data, width, height, channels }';
  const isBytes = (data: unknown) => data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  if (typeof input !== 'object' || input === null || !isBytes(input.data))
    throw invalidArgument('picture', expected, input);
  const { data, width, height, channels } = input;
  for (const [name, size] of Object.entries({ width, height }))
    if (!Number.isSafeInteger(size) || size < 1) throw invalidArgument(name, 'a positive integer', size);
  if (![1, 2, 3, 4].includes(channels)) throw invalidArgument('channels', '1, 2, 3 or 4', channels);
  if (data.length !== width * height * channels)
    throw invalidArgument('data', `${width}×${height}×${channels} bytes`, data);
  return input;
}

function requirePixels(name: string, width: number, height: number, maxPixels: number): void {
  if (width * height > maxPixels)
    throw new OcrnetError('IMAGE_TOO_LARGE', `Cannot decode ${name}`, {
      expected: `at most ${maxPixels} pixels`,
      received: `${width}×${height} pixels`,
    });
}

/** sharp says "missing" for every file that it cannot open. */
async function requireReadable(path: string): Promise<void> {
  let size: number;
  try {
    const file = await open(path, 'r');
    try {
      const stats = await file.stat();
      if (stats.isDirectory())
        throw new OcrnetError('FILE_UNREADABLE', `Cannot read ${path}: it is a folder`);
      size = stats.size;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  if (size === 0) throw unsupported(path, 'an empty file');
}

/** Told by what it can do: the caller's sharp may be another copy of the package than ours. */
const isSharp = (input: object): input is Sharp =>
  typeof input === 'object' &&
  input !== null &&
  'clone' in input &&
  'metadata' in input &&
  typeof input.clone === 'function' &&
  typeof input.metadata === 'function';

function unsupported(name: string, received: string | undefined, cause?: unknown): OcrnetError {
  const reason = cause instanceof Error ? cause.message : undefined;
  return new OcrnetError('UNSUPPORTED_IMAGE', `Cannot decode ${name}`, {
    expected: 'a whole picture, as JPEG, PNG, WebP, TIFF, GIF or AVIF',
    received: received ?? reason ?? describe(cause),
    cause,
  });
}

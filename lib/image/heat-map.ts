import sharp from 'sharp';
import { OcrnetError } from '../errors.js';
import type { RgbImage } from './decode.js';

/** A number for each cell of a grid over a picture, row by row. */
export interface HeatMap {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
}

/**
 * From cold to hot, by way of colours that grow lighter evenly, so that equal steps look equal and gray printers and all eyes see
 * the same order: eleven points of the colour map "inferno" (Smith and van der Walt, 2015).
 */
const inferno = [
  [0x00, 0x00, 0x04],
  [0x16, 0x0b, 0x39],
  [0x42, 0x0a, 0x68],
  [0x6a, 0x17, 0x6e],
  [0x93, 0x26, 0x67],
  [0xbc, 0x37, 0x54],
  [0xdd, 0x51, 0x3a],
  [0xf3, 0x78, 0x19],
  [0xfc, 0xa5, 0x0a],
  [0xf6, 0xd7, 0x46],
  [0xfc, 0xff, 0xa4],
] as const;

/** The colour of a strength from 0 to 1, RGB bytes. */
export function heatColour(strength: number): [red: number, green: number, blue: number] {
  const at = Math.min(Math.max(strength, 0), 1) * (inferno.length - 1);
  const below = Math.min(Math.floor(at), inferno.length - 2);
  const part = at - below;
  const [from, to] = [inferno[below], inferno[below + 1]] as [
    (typeof inferno)[number],
    (typeof inferno)[number],
  ];
  return [0, 1, 2].map((i) =>
    Math.round((from[i] as number) + part * ((to[i] as number) - (from[i] as number))),
  ) as [number, number, number];
}

/** Of 256 strengths. */
const colours = Uint8Array.from(Array.from({ length: 256 }, (_, i) => heatColour(i / 255)).flat());

/**
 * A map in colours over the picture in gray, which shows where the map is small: hot is the map's maximum. The scale is that of
 * the root, for maps that sum to one have peaks far above what else belongs to them.
 *
 * @throws OcrnetError INVALID_ARGUMENT for a map that is not of its size
 */
export async function heatOverlay({ data, width, height }: RgbImage, map: HeatMap): Promise<RgbImage> {
  if (map.data.length !== map.width * map.height)
    throw new OcrnetError('INVALID_ARGUMENT', 'The numbers do not fill the map', {
      expected: `${map.width}×${map.height} numbers`,
      received: `${map.data.length}`,
    });
  const maximum = map.data.reduce((most, value) => Math.max(most, value), 0);
  const bytes = Uint8Array.from(map.data, (value) =>
    maximum > 0 ? Math.round(255 * Math.sqrt(Math.max(0, value) / maximum)) : 0,
  );
  const strengths = await sharp(bytes, { raw: { width: map.width, height: map.height, channels: 1 } })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  const result = new Uint8Array(data.length);
  for (let i = 0; i < strengths.length; i++) {
    const strength = strengths[i] as number;
    const gray = dimmedGray(data, i);
    const cover = Math.min(0.85, (2 * strength) / 255);
    for (let channel = 0; channel < 3; channel++)
      result[3 * i + channel] = (1 - cover) * gray + cover * (colours[3 * strength + channel] as number);
  }
  return { data: result, width, height };
}

/** A pixel of a picture as a ground for colours. */
export const dimmedGray = (data: Uint8Array, pixel: number): number =>
  0.7 *
  (0.299 * (data[3 * pixel] as number) +
    0.587 * (data[3 * pixel + 1] as number) +
    0.114 * (data[3 * pixel + 2] as number));

/** One class's map out of (height, width, K). */
export function mapOf({ data, width, height }: HeatMap, label: number): HeatMap {
  const cells = width * height;
  const classes = data.length / cells;
  return {
    data: Float32Array.from({ length: cells }, (_, i) => data[i * classes + label] as number),
    width,
    height,
  };
}

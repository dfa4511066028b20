import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { renderScene } from '../../lib/image/render-scene.js';

/** A small street as a sharp pipeline, to be encoded as a test wants it. */
export function scene(width: number, height: number, seed = 1): Sharp {
  const { data } = renderScene({ width, height, seed });
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** A PNG that claims this size; its pixels are those of another picture. */
export async function pictureThatClaims(width: number, height: number): Promise<Buffer> {
  const png = await scene(8, 8).png().toBuffer();
  png.writeUInt32BE(width, 16);
  png.writeUInt32BE(height, 20);
  // The header's checksum, over its name and its 13 bytes.
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}

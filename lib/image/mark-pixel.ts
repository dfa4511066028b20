import type { RgbImage } from './decode.js';

/** A new picture with a white ring, edged in black, around a pixel. */
export function markPixel({ data, width, height }: RgbImage, { x, y }: { x: number; y: number }): RgbImage {
  const result = new Uint8Array(data);
  // As large as a thumbnail of the picture still shows it.
  const radius = Math.max(4, Math.max(width, height) / 70);
  const stroke = Math.max(1, radius / 4);
  const reach = Math.ceil(radius + 2 * stroke);
  for (let row = Math.max(0, y - reach); row <= Math.min(height - 1, y + reach); row++)
    for (let column = Math.max(0, x - reach); column <= Math.min(width - 1, x + reach); column++) {
      const distance = Math.abs(Math.hypot(column - x, row - y) - radius);
      if (distance <= 1.6 * stroke)
        result.fill(
          distance <= 0.8 * stroke ? 255 : 0,
          3 * (row * width + column),
          3 * (row * width + column) + 3,
        );
    }
  return { data: result, width, height };
}

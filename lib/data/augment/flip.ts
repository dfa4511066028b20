/** Mirrors the rows of a picture in place: RGB bytes, `width` pixels a row. */
export function flipImage(pixels: Uint8Array, width: number): void {
  const rowBytes = 3 * width;
  for (let row = 0; row < pixels.length; row += rowBytes)
    for (let left = row, right = row + rowBytes - 3; left < right; left += 3, right -= 3)
      for (let c = 0; c < 3; c++) {
        const held = pixels[left + c] as number;
        pixels[left + c] = pixels[right + c] as number;
        pixels[right + c] = held;
      }
}

/** Mirrors the rows of labels in place and swaps the classes of `mirror`, a table over all labels. */
export function flipLabels(
  labels: Uint8Array | Uint16Array,
  width: number,
  mirror: Uint16Array | undefined,
): void {
  for (let row = 0; row < labels.length; row += width) labels.subarray(row, row + width).reverse();
  if (mirror) for (let i = 0; i < labels.length; i++) labels[i] = mirror[labels[i] as number] as number;
}

/** What each label becomes in a mirror; undefined where nothing changes. */
export function mirrorTable(pairs: readonly (readonly [number, number])[]): Uint16Array | undefined {
  if (pairs.length === 0) return undefined;
  const table = Uint16Array.from({ length: 65536 }, (_, label) => label);
  for (const [a, b] of pairs) {
    table[a] = b;
    table[b] = a;
  }
  return table;
}

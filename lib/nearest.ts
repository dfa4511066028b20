/** The known words that `word` may have been meant to be, the nearest first: up to three. */
export function nearestOf(word: string, known: readonly string[]): string[] {
  return known
    .map((one) => ({ one, distance: editDistance(word.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, distance }) => distance <= one.length / 3)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ one }) => one);
}

/** `a known name (did you mean …?)`, or all names where none is near: for what an error expected. */
export function suggest(what: string, word: string, known: readonly string[]): string {
  const near = nearestOf(word, known);
  return near.length === 0 ? `one of ${known.join(', ')}` : `${what} (did you mean ${near.join(' or ')}?)`;
}

/** Levenshtein's distance: insertions, deletions and substitutions from a to b. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(
          (row[j] as number) + 1,
          (next[j - 1] as number) + 1,
          (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      );
    row = next;
  }
  return row[b.length] as number;
}

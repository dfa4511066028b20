/** Memory that is needed from step `start` to step `end`, both included. */
export interface Lifetime {
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
}

export interface Placement {
  /** Where each lifetime starts in the arena, in bytes, in the order given. */
  readonly offsets: readonly number[];
  readonly arenaBytes: number;
  /** The most that is needed at one step: no placement can be smaller. */
  readonly lowerBoundBytes: number;
}

/** Vector loads and cache lines like it; every placement is a multiple of it. */
export const arenaAlignment = 64;

const aligned = (bytes: number): number => Math.ceil(bytes / arenaAlignment) * arenaAlignment;

/**
 * Gives every lifetime an address such that no two that overlap in time overlap in memory: the largest first, each into the
 * smallest gap that holds it between those placed before (greedy by size, best fit: Pisarchyk & Lee 2020). Where that leaves
 * gaps, those that take most room and time may come first instead.
 */
export function placeLifetimes(lifetimes: readonly Lifetime[]): Placement {
  const lowerBoundBytes = mostAtOnce(lifetimes);
  const all = lifetimes.map((lifetime, index) => ({ ...lifetime, index, bytes: aligned(lifetime.bytes) }));
  const largestFirst = (sizeOf: (lifetime: Lifetime) => number) =>
    placeInOrder(all.toSorted((a, b) => sizeOf(b) - sizeOf(a) || a.start - b.start || a.index - b.index));
  const bySize = largestFirst(({ bytes }) => bytes);
  if (bySize.arenaBytes === lowerBoundBytes) return { ...bySize, lowerBoundBytes };
  const byArea = largestFirst(({ bytes, start, end }) => bytes * (end - start + 1));
  return { ...(byArea.arenaBytes < bySize.arenaBytes ? byArea : bySize), lowerBoundBytes };
}

function placeInOrder(
  order: readonly (Lifetime & { readonly index: number })[],
): Omit<Placement, 'lowerBoundBytes'> {
  const offsets = new Array<number>(order.length).fill(0);
  const placed: { start: number; end: number; from: number; to: number }[] = [];
  let arenaBytes = 0;
  for (const { index, bytes, start, end } of order) {
    const neighbours = placed
      .filter((other) => other.start <= end && start <= other.end)
      .sort((a, b) => a.from - b.from);
    const from = bestGap(neighbours, bytes);
    offsets[index] = from;
    placed.push({ start, end, from, to: from + bytes });
    arenaBytes = Math.max(arenaBytes, from + bytes);
  }
  return { offsets, arenaBytes };
}

/** Start of the smallest gap of at least `bytes` between neighbours sorted by address, or the end of the last. */
function bestGap(neighbours: readonly { from: number; to: number }[], bytes: number): number {
  let best: number | undefined;
  let bestSize = Number.POSITIVE_INFINITY;
  let free = 0;
  for (const { from, to } of neighbours) {
    const size = from - free;
    if (size >= bytes && size < bestSize) {
      best = free;
      bestSize = size;
    }
    free = Math.max(free, to);
  }
  return best ?? free;
}

function mostAtOnce(lifetimes: readonly Lifetime[]): number {
  const changes = new Map<number, number>();
  const change = (step: number, bytes: number) => changes.set(step, (changes.get(step) ?? 0) + bytes);
  for (const { bytes, start, end } of lifetimes) {
    change(start, aligned(bytes));
    change(end + 1, -aligned(bytes));
  }
  let now = 0;
  let most = 0;
  for (const [, bytes] of [...changes].sort(([a], [b]) => a - b)) {
    now += bytes;
    most = Math.max(most, now);
  }
  return most;
}

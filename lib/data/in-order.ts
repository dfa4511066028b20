import { OcrnetError } from '../errors.js';

/**
 * The results of `work` in the order of the items, while the work on the next ones goes on: at most `ahead` at a time, started
 * in order. Whatever ends the iteration (its end, an error, `return`, the signal), what was started has settled before it
 * is over, so that nothing keeps running behind the caller's back.
 *
 * @throws OcrnetError ABORTED when the signal aborts, as soon as what was started has settled
 */
export async function* mapInOrder<Item, Result>(
  items: Iterable<Item>,
  ahead: number,
  work: (item: Item) => Promise<Result>,
  signal?: AbortSignal,
): AsyncGenerator<Result, void, void> {
  const iterator = items[Symbol.iterator]();
  const running: Promise<Result>[] = [];
  try {
    for (;;) {
      throwIfAborted(signal);
      while (running.length < ahead) {
        const { done, value } = iterator.next();
        if (done) break;
        const result = work(value);
        // Its error is thrown when its turn comes; until then it is not an unhandled one.
        result.catch(() => {});
        running.push(result);
      }
      const [next] = running;
      if (next === undefined) return;
      const result = await orAbort(next, signal);
      running.shift();
      yield result;
    }
  } finally {
    await Promise.allSettled(running);
  }
}

/** The items in lists of so many. */
export async function* inLists<T>(items: AsyncIterable<T>, length: number): AsyncGenerator<T[], void, void> {
  let list: T[] = [];
  for await (const item of items) {
    list.push(item);
    if (list.length < length) continue;
    yield list;
    list = [];
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

const aborted = (signal: AbortSignal): OcrnetError =>
  new OcrnetError('ABORTED', 'Reading data was aborted', { cause: signal.reason });

/** Not a race with one long-lived promise: that would keep a reaction for every item until the signal goes. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Lets at most `limit` pieces of work run at a time, first come first served. */
export function limiter(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes to the next in line without becoming free in between.
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}

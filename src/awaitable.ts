/** A value that is usually there at once and a promise only on a real miss. */
export type Awaitable<T> = T | Promise<T>

/** Goes on at once when the value is there; awaits only a promise. */
export const andThen = <T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> =>
  value instanceof Promise ? value.then(next) : next(value)

/** Visits the items in order, one after the other; stays synchronous as long as every visit does. */
export function forEachInOrder<T>(items: readonly T[], visit: (item: T) => Awaitable<void>): Awaitable<void> {
  for (let i = 0; i < items.length; i++) {
    const pending = visit(items[i] as T)
    if (pending instanceof Promise) return finish(items, i, pending, visit)
  }
}

async function finish<T>(items: readonly T[], at: number, pending: Promise<void>, visit: (item: T) => Awaitable<void>): Promise<void> {
  await pending
  for (let i = at + 1; i < items.length; i++) await visit(items[i] as T)
}

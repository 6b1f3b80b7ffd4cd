/** Maps in order of the items with at most `workers` calls at a time; the first rejection stops what has not begun. */
export async function inParallel<T, U>(items: readonly T[], workers: number, call: (item: T) => Promise<U>): Promise<readonly U[]> {
  const answers: U[] = new Array(items.length)
  let next = 0
  const work = async () => {
    while (next < items.length) {
      const at = next++
      try {
        answers[at] = await call(items[at] as T)
      } catch (error) {
        next = items.length
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(workers, items.length) }, work))
  return answers
}

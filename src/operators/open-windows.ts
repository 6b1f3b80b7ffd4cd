import type { Windowed } from '../serde/windowed.ts'

/** Windows that have not been sent, by their ends: which of them close at a time is known without reading any other. */
export interface OpenWindows<K, R> {
  /** `id` orders windows of equal start and end; `row` is what is known of it without asking the store. */
  add(id: string, key: Windowed<K>, row?: R): void
  /** Removes those that end at a time or before, and answers them by end, start and id. */
  takeUpTo(endMs: number): readonly OpenWindow<K, R>[]
  /** The earliest end; undefined where there is none. */
  readonly firstEnd: number | undefined
}

export interface OpenWindow<K, R> {
  readonly id: string
  readonly key: Windowed<K>
  readonly row: R | undefined
}

export const createOpenWindows = <K, R>(): OpenWindows<K, R> => {
  const byEnd = new Map<number, Map<string, OpenWindow<K, R>>>()
  /** In order. */
  const ends: number[] = []
  const insert = (endMs: number): void => {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ends[middle] as number) > endMs) high = middle
      else low = middle + 1
    }
    ends.splice(low, 0, endMs)
  }
  return {
    add: (id, key, row) => {
      const { endMs } = key.window
      let windows = byEnd.get(endMs)
      if (!windows) {
        windows = new Map()
        byEnd.set(endMs, windows)
        insert(endMs)
      }
      windows.set(id, { id, key, row })
    },
    takeUpTo: (endMs) => {
      const open = ends.findIndex((end) => end > endMs)
      const closed = ends.splice(0, open < 0 ? ends.length : open)
      return closed.flatMap((end) => {
        const windows = [...(byEnd.get(end)?.values() ?? [])]
        byEnd.delete(end)
        return windows.sort((a, b) => a.key.window.startMs - b.key.window.startMs || (a.id < b.id ? -1 : 1))
      })
    },
    get firstEnd() {
      return ends[0]
    },
  }
}

/** A binary heap that gives items of equal time in the order in which `java.util.PriorityQueue` does, where Kafka's results depend on it. */
export class JavaPriorityQueue<T> {
  readonly #heap: T[] = []
  readonly #timeOf: (item: T) => number

  constructor(timeOf: (item: T) => number) {
    this.#timeOf = timeOf
  }

  peek(): T | undefined {
    return this.#heap[0]
  }

  add(item: T): void {
    const heap = this.#heap
    const time = this.#timeOf(item)
    let at = heap.length
    heap.push(item)
    while (at > 0) {
      const up = (at - 1) >>> 1
      const parent = heap[up] as T
      if (this.#timeOf(parent) <= time) break
      heap[at] = parent
      at = up
    }
    heap[at] = item
  }

  poll(): T | undefined {
    const heap = this.#heap
    const root = heap[0]
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) this.#sink(last)
    return root
  }

  /** Puts an item at the root and lets it down. */
  #sink(item: T): void {
    const heap = this.#heap
    const time = this.#timeOf(item)
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = child + 1
      const smaller = right < heap.length && this.#timeOf(heap[right] as T) < this.#timeOf(heap[child] as T) ? right : child
      const below = heap[smaller] as T
      if (time <= this.#timeOf(below)) break
      heap[at] = below
      at = smaller
    }
    heap[at] = item
  }
}

/** Ids from one to another, both inclusive. */
export interface IdRange {
  readonly low: string
  readonly high: string
}

/** Which ranges of a store were read whole: what is not in memory there does not exist. */
export class ReadRanges {
  /** In order, and apart from each other. */
  #ranges: IdRange[] = []

  /** What is still to be read of a range; pieces may touch what was read. */
  missing({ low, high }: IdRange): readonly IdRange[] {
    const missing: IdRange[] = []
    let from = low
    for (let at = this.#firstTouching(low); at < this.#ranges.length; at++) {
      const range = this.#ranges[at] as IdRange
      if (range.low > high) break
      if (range.low > from) missing.push({ low: from, high: range.low })
      if (range.high >= high) return missing
      from = range.high
    }
    missing.push({ low: from, high })
    return missing
  }

  /** Whether the id is in what was read. */
  covers(id: string): boolean {
    const range = this.#ranges[this.#firstTouching(id)]
    return range !== undefined && range.low <= id
  }

  add({ low, high }: IdRange): void {
    const at = this.#firstTouching(low)
    let end = at
    while (end < this.#ranges.length && (this.#ranges[end] as IdRange).low <= high) end++
    const [first, last] = [this.#ranges[at], this.#ranges[end - 1]]
    const merged =
      end > at && first && last ? { low: first.low < low ? first.low : low, high: last.high > high ? last.high : high } : { low, high }
    this.#ranges.splice(at, end - at, merged)
  }

  get all(): readonly IdRange[] {
    return this.#ranges
  }

  clear(): void {
    this.#ranges = []
  }

  /** The first range that ends at or after the id. */
  #firstTouching(id: string): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle] as IdRange).high >= id) high = middle
      else low = middle + 1
    }
    return low
  }
}

const pieceMax = 512

/** The first index for which `isAtOrAfter` holds; it holds for all behind it. */
const firstIndex = (length: number, isAtOrAfter: (index: number) => boolean): number => {
  let [low, high] = [0, length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isAtOrAfter(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** Ids of rows in order, for reads of ranges: sorted pieces of bounded length, so that an id more moves few others. */
export class SortedIds {
  readonly #pieces: string[][] = []

  constructor(ids: Iterable<string>) {
    const sorted = [...ids].sort()
    for (let at = 0; at < sorted.length; at += pieceMax / 2) this.#pieces.push(sorted.slice(at, at + pieceMax / 2))
  }

  /** Does nothing where it is there. */
  add(id: string): void {
    const at = Math.min(this.#pieceOf(id), this.#pieces.length - 1)
    const piece = this.#pieces[at]
    if (!piece) {
      this.#pieces.push([id])
      return
    }
    const place = firstIndex(piece.length, (index) => (piece[index] as string) >= id)
    if (piece[place] === id) return
    piece.splice(place, 0, id)
    if (piece.length > pieceMax) this.#pieces.splice(at + 1, 0, piece.splice(pieceMax / 2))
  }

  delete(id: string): void {
    const at = this.#pieceOf(id)
    const piece = this.#pieces[at]
    if (!piece) return
    const place = firstIndex(piece.length, (index) => (piece[index] as string) >= id)
    if (piece[place] !== id) return
    piece.splice(place, 1)
    if (piece.length === 0) this.#pieces.splice(at, 1)
  }

  /** Both bounds are inclusive; undefined: to the end. */
  between(low: string, high: string | undefined): readonly string[] {
    const found: string[] = []
    for (let at = this.#pieceOf(low); at < this.#pieces.length; at++) {
      const piece = this.#pieces[at] as string[]
      const from = firstIndex(piece.length, (index) => (piece[index] as string) >= low)
      for (let index = from; index < piece.length; index++) {
        const id = piece[index] as string
        if (high !== undefined && id > high) return found
        found.push(id)
      }
    }
    return found
  }

  /** The first piece that ends at or after the id. */
  #pieceOf(id: string): number {
    return firstIndex(this.#pieces.length, (index) => (this.#pieces[index]?.at(-1) as string) >= id)
  }
}

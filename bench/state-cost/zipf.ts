import { randomOf } from '../../test/conformance/fuzz/random.ts'

/** How often each of the keys 0, 1, 2 ... comes, by Zipf's law with exponent 1; sums to 1. */
export const zipf = (keys: number): Float64Array => {
  const shares = Float64Array.from({ length: keys }, (_, rank) => 1 / (rank + 1))
  const sum = shares.reduce((total, share) => total + share, 0)
  return shares.map((share) => share / sum)
}

/** Draws keys by their shares; the same seed draws the same keys. */
export const sampler = (shares: Float64Array, seed: string): (() => number) => {
  const random = randomOf(seed)
  let sum = 0
  const upTo = shares.map((share) => {
    sum += share
    return sum
  })
  return () => {
    const drawn = random.int(2 ** 30) / 2 ** 30
    let [low, high] = [0, upTo.length - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((upTo[middle] ?? 1) > drawn) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** The model of state.md: how many different keys so many draws are expected to bring. */
export const expectedDistinct = (shares: Float64Array, draws: number): number =>
  shares.reduce((total, share) => total + 1 - (1 - share) ** draws, 0)

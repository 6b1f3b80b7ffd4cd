import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ReadRanges } from '../../src/state/read-ranges.ts'

const places = 'abcdefghijklmnopqrstuvwxyz'.split('')
const range = fc
  .tuple(fc.nat(25), fc.nat(25))
  .map(([one, other]) => ({ low: places[Math.min(one, other)] as string, high: places[Math.max(one, other)] as string }))
const covers = ({ low, high }: { low: string; high: string }, place: string) => place >= low && place <= high

it('what was read is not read again, and what was not is', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), range, (read, wanted) => {
      const ranges = new ReadRanges()
      const known = new Set<string>()
      for (const it of read) {
        ranges.add(it)
        for (const place of places) if (covers(it, place)) known.add(place)
      }
      for (const place of places) expect(ranges.covers(place)).toBe(known.has(place))
      const missing = ranges.missing(wanted)
      const found = places.filter((place) => missing.some((it) => covers(it, place)))
      for (const place of places) if (covers(wanted, place) && !known.has(place)) expect(found).toContain(place)
      // pieces touch what was read at most at their ends
      for (const it of missing) expect([it.low, it.high].filter((place) => !known.has(place)).length + found.length).toBeGreaterThan(0)
      const inner = found.filter((place) => known.has(place) && !missing.some((it) => it.low === place || it.high === place))
      expect(inner).toEqual([])
      for (const it of ranges.all) expect(ranges.missing(it)).toEqual([])
    }),
    { seed: 11, numRuns: 500 },
  )
})

it('ranges that meet become one', () => {
  const ranges = new ReadRanges()
  for (const [low, high] of ['ab', 'ef', 'be', 'xz'].map((text) => text.split(''))) ranges.add({ low: low ?? '', high: high ?? '' })
  expect(ranges.all).toEqual([
    { low: 'a', high: 'f' },
    { low: 'x', high: 'z' },
  ])
  expect(ranges.missing({ low: 'd', high: 'y' })).toEqual([{ low: 'f', high: 'x' }])
  ranges.clear()
  expect(ranges.missing({ low: 'd', high: 'y' })).toEqual([{ low: 'd', high: 'y' }])
})

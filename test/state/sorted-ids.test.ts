import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SortedIds } from '../../src/state/sorted-ids.ts'

const id = fc.nat(3_000).map(String)

it('ids are found in order between two of them, whatever came and went', () => {
  fc.assert(
    fc.property(
      fc.array(id, { maxLength: 50 }),
      fc.array(fc.tuple(fc.boolean(), id), { maxLength: 2_000 }),
      id,
      fc.option(id, { nil: undefined }),
      (first, changes, low, high) => {
        const model = new Set(first)
        const ids = new SortedIds(model)
        for (const [comes, changed] of changes) {
          if (comes) model.add(changed)
          else model.delete(changed)
          if (comes) ids.add(changed)
          else ids.delete(changed)
        }
        const expected = [...model].filter((it) => it >= low && (high === undefined || it <= high)).sort()
        expect(ids.between(low, high)).toEqual(expected)
      },
    ),
    { seed: 5, numRuns: 200 },
  )
})

it('many ids stay in order', () => {
  const all = Array.from({ length: 10_000 }, (_, index) => String((index * 7_919) % 10_000).padStart(5, '0'))
  const ids = new SortedIds([])
  for (const it of all) ids.add(it)
  expect(ids.between('', undefined)).toEqual([...all].sort())
  for (const it of all) if (it.endsWith('0')) ids.delete(it)
  expect(ids.between('00100', '00105')).toEqual(['00101', '00102', '00103', '00104', '00105'])
})

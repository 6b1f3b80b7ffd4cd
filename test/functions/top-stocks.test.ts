import { describe, expect, it } from 'vitest'
import topology from '../../functions/top-stocks/topology.ts'
import { modes, runExample } from './run-example.ts'

const price = (key: string, date: string, price: number) => ({ topic: 'prices', key, value: { date, price }, timestamp: Date.parse(date) })
const topTen = (date: string, ...gains: readonly (readonly [year: string, percent: number])[]) =>
  `all: ${JSON.stringify(gains.map(([year, percent]) => ({ year, percent })))} @${Date.parse(date)}`

describe.each([...modes, ['with three partitions', { partitions: { prices: 3 } }]] as typeof modes)(
  'the top stocks %s',
  (_name, options) => {
    it('follow every year: a row that changes is taken out before it is put in again', async () => {
      const inputs = [
        price('AAPL', '2004-01-01', 10),
        price('IBM', '2004-02-01', 50),
        price('AAPL', '2004-12-01', 30),
        price('IBM', '2005-01-01', 40),
        price('IBM', '2004-12-15', 45),
      ]
      expect(await runExample(topology, inputs, options)).toEqual({
        'top-ten': [
          topTen('2004-01-01', ['AAPL 2004', 0]),
          topTen('2004-02-01', ['AAPL 2004', 0], ['IBM 2004', 0]),
          topTen('2004-12-01', ['AAPL 2004', 200], ['IBM 2004', 0]),
          topTen('2005-01-01', ['AAPL 2004', 200], ['IBM 2004', 0], ['IBM 2005', 0]),
          // the time of an aggregate does not go back
          topTen('2005-01-01', ['AAPL 2004', 200], ['IBM 2005', 0], ['IBM 2004', -10]),
        ],
      })
    })

    it('are ten at most, and the eleventh comes back when one of them falls', async () => {
      const years = Array.from({ length: 11 }, (_, at) => `20${10 + at}`)
      const inputs = [
        ...years.map((year) => price('IBM', `${year}-01-01`, 100)),
        ...years.map((year, at) => price('IBM', `${year}-12-01`, 120 - at)),
        price('IBM', '2010-12-31', 50),
      ]
      const lists = (await runExample(topology, inputs, options))['top-ten'] ?? []
      const last = (list: string | undefined) => [...(list ?? '').matchAll(/"IBM (\d+)"/g)].map(([, year]) => year)
      expect(last(lists.at(-2))).toEqual(years.slice(0, 10))
      expect(last(lists.at(-1))).toEqual(years.slice(1))
    })
  },
)

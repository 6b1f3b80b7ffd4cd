import { describe, expect, it } from 'vitest'
import topology from '../../functions/stock-stats/topology.ts'
import { days } from '../../src/index.ts'
import { modes, runExample } from './run-example.ts'

const trade = (key: string, day: number, price: number) => ({ topic: 'trades', key, value: { price }, timestamp: days(day) })
const window = (key: string, fromDay: number) => JSON.stringify({ key, window: { startMs: days(fromDay), endMs: days(fromDay + 360) } })

describe.each(modes)('the stock statistics %s', (_name, options) => {
  it('keep four windows up to date at a time, and leave closed ones alone', async () => {
    const inputs = [trade('AAPL', 400, 10), trade('AAPL', 420, 30), trade('MSFT', 480, 5), trade('AAPL', 800, 7), trade('MSFT', 440, 9)]
    const stats = (average: number, low: number, high: number, day: number) => `${JSON.stringify({ average, low, high })} @${days(day)}`
    expect(await runExample(topology, inputs, options)).toEqual({
      'stock-stats': [
        ...[90, 180, 270, 360].map((from) => `${window('AAPL', from)}: ${stats(10, 10, 10, 400)}`),
        ...[90, 180, 270, 360].map((from) => `${window('AAPL', from)}: ${stats(20, 10, 30, 420)}`),
        ...[180, 270, 360, 450].map((from) => `${window('MSFT', from)}: ${stats(5, 5, 5, 480)}`),
        ...[450, 540, 630, 720].map((from) => `${window('AAPL', from)}: ${stats(7, 7, 7, 800)}`),
      ],
    })
  })
})

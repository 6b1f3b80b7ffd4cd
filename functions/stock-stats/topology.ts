import { days, hopping, Serdes, StreamsBuilder } from 'millrace'

interface Trade {
  readonly price: number
}

interface Stats {
  readonly trades: number
  readonly sum: number
  readonly low: number
  readonly high: number
}

const builder = new StreamsBuilder()

builder
  .stream('trades', { keySerde: Serdes.string, valueSerde: Serdes.json<Trade>() })
  .groupByKey()
  .windowedBy(hopping({ sizeMs: days(360), advanceMs: days(90), graceMs: days(30) }))
  .aggregate(
    () => ({ trades: 0, sum: 0, low: Number.MAX_VALUE, high: 0 }),
    (_symbol, { price }, { trades, sum, low, high }) => ({
      trades: trades + 1,
      sum: sum + price,
      low: Math.min(low, price),
      high: Math.max(high, price),
    }),
    { store: { name: 'stock-stats', valueSerde: Serdes.json<Stats>() } },
  )
  .toStream()
  .mapValues((stats) => stats && { average: stats.sum / stats.trades, low: stats.low, high: stats.high })
  .to('stock-stats', { valueSerde: Serdes.json() })

export default builder.build()

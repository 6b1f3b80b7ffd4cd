import { Serdes, StreamsBuilder } from 'millrace'

interface Price {
  readonly date: string
  readonly price: number
}

/** The first and the last price of a year. */
interface Span {
  readonly first: number
  readonly last: number
}

interface Gain {
  readonly year: string
  readonly percent: number
}

const percentOf = ({ first, last }: Span): number => Math.round((last / first - 1) * 1000) / 10

const builder = new StreamsBuilder()

const years = builder
  .stream('prices', { keySerde: Serdes.string, valueSerde: Serdes.json<Price>() })
  .groupBy((symbol, { date }) => `${symbol} ${date.slice(0, 4)}`, { name: 'by-year', keySerde: Serdes.string, valueSerde: Serdes.json() })
  .aggregate(
    () => ({ first: 0, last: 0 }),
    (_year, { price }, { first }) => ({ first: first || price, last: price }),
    { store: { name: 'years', valueSerde: Serdes.json<Span>() } },
  )

years
  .groupBy((year, span) => ['all', { year, percent: percentOf(span) }], {
    name: 'all-years',
    keySerde: Serdes.string,
    valueSerde: Serdes.json<Gain>(),
  })
  .aggregate(
    () => [],
    (_all, gain, gains) => [...gains, gain].sort((a, b) => b.percent - a.percent),
    (_all, gain, gains) => gains.filter(({ year }) => year !== gain.year),
    { store: { name: 'gains', valueSerde: Serdes.json<readonly Gain[]>() } },
  )
  .toStream()
  .mapValues((gains) => gains?.slice(0, 10) ?? null)
  .to('top-ten', { valueSerde: Serdes.json() })

export default builder.build()

import {
  type FixedKeyProcessor,
  type FixedKeyProcessorContext,
  type FixedKeyRecord,
  joinWindows,
  type KStream,
  type KTable,
  Serdes,
  StreamsBuilder,
  tumbling,
  untilTimeLimit,
  untilWindowCloses,
} from 'millrace'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const yes = <T extends true>(): T | undefined => undefined

interface Trade {
  readonly price: number
}
const builder = new StreamsBuilder()
const trades = builder.stream('trades', { keySerde: Serdes.string, valueSerde: Serdes.json<Trade>() })

// Types come from the serdes and flow through the callbacks: nobody writes them at a call.
yes<Same<typeof trades, KStream<string, Trade>>>()
const prices = trades.filter((_symbol, trade) => trade.price > 0).mapValues((trade, symbol) => `${symbol} ${trade.price.toFixed(2)}`)
yes<Same<typeof prices, KStream<string, string>>>()
const byPrice = trades.map((symbol, trade) => [trade.price, symbol])
yes<Same<typeof byPrice, KStream<number, string>>>()
const letters = prices.flatMapValues((text) => text.split(''))
yes<Same<typeof letters, KStream<string, string>>>()
const both = prices.flatMap((symbol, text) => [[text.length, symbol] as const])
yes<Same<typeof both, KStream<number, string>>>()
const keyed = trades.selectKey((_symbol, trade) => trade.price)
yes<Same<typeof keyed, KStream<number, Trade>>>()

// Aggregations: a count is a number, an aggregate is what its initializer gives.
const counts = trades.groupByKey().count({ store: 'counts' })
yes<Same<typeof counts, KTable<string, number>>>()
const sums = trades
  .groupBy((_symbol, trade) => trade.price)
  .aggregate(
    () => ({ sum: 0 }),
    (price, trade, total) => ({ sum: total.sum + trade.price + price }),
    { store: { name: 'sums', valueSerde: Serdes.json<{ sum: number }>() } },
  )
yes<Same<typeof sums, KTable<number, { sum: number }>>>()
const dearest = trades.groupByKey().reduce((one, other) => (one.price > other.price ? one : other), { store: 'dearest' })
yes<Same<typeof dearest, KTable<string, Trade>>>()

// Joins of streams: null is what the joiner of a left or outer join must reckon with, and where it is not said it cannot come.
const around = joinWindows({ timeDifferenceMs: 10, graceMs: 0 })
const pairs = trades.join(prices, (trade, text, symbol) => [trade, text, symbol] as const, around)
yes<Same<typeof pairs, KStream<string, readonly [Trade, string, string]>>>()
const lefts = trades.leftJoin(prices, (trade, text) => [trade, text] as const, around, { storeName: 'lefts' })
yes<Same<typeof lefts, KStream<string, readonly [Trade, string | null]>>>()
const outers = trades.outerJoin(prices, (trade, text) => [trade, text] as const, around)
yes<Same<typeof outers, KStream<string, readonly [Trade | null, string | null]>>>()

// @ts-expect-error windows are to be said
trades.outerJoin(prices, (trade) => trade)

// @ts-expect-error streams are joined by equal keys
trades.outerJoin(keyed, (trade) => trade, around)

// @ts-expect-error the other stream's values have another serde
trades.join(prices, (trade) => trade, around, { otherValueSerde: Serdes.long })

// A deleted row is null in the stream of a table; its serde need not know.
const changes = counts.toStream()
yes<Same<typeof changes, KStream<string, number | null>>>()
changes.to('counts', { valueSerde: Serdes.long })
const renamed = counts.toStream((symbol, count) => (count ?? 0) + symbol.length)
yes<Same<typeof renamed, KStream<number, number | null>>>()

// A join by foreign key is told by its extractor, which sees a row of this table and names a key of the other.
const names = builder.table('names', { keySerde: Serdes.long, valueSerde: Serdes.string })
const named = dearest.join(
  names,
  (trade) => trade.price,
  (trade, name, symbol) => ({ name: `${name.length} ${symbol}`, price: trade.price }),
)
yes<Same<typeof named, KTable<string, { name: string; price: number }>>>()
const sameKeys = builder.table('symbols', { keySerde: Serdes.string, valueSerde: Serdes.string })
const chained = sameKeys.leftJoin(
  sameKeys,
  (symbol) => symbol,
  (one, other) => (other === null ? 0 : one.length + other.length),
)
yes<Same<typeof chained, KTable<string, number>>>()

dearest.join(
  // @ts-expect-error the extractor names keys of the other table
  names,
  (trade) => `${trade.price}`,
  (trade, name) => `${trade.price} ${name}`,
)

// Default serdes of the builder are the types of a stream that has none of its own.
const defaults = new StreamsBuilder({ 'default.key.serde': Serdes.string, 'default.value.serde': Serdes.long })
const defaulted = defaults.stream('numbers')
yes<Same<typeof defaulted, KStream<string, number>>>()
const half = new StreamsBuilder({ 'default.key.serde': Serdes.string }).stream('numbers', { valueSerde: Serdes.long })
yes<Same<typeof half, KStream<string, number>>>()

// @ts-expect-error without defaults a stream needs its serdes
builder.stream('trades')

// @ts-expect-error the value's too
builder.stream('trades', { keySerde: Serdes.string })

// @ts-expect-error a default for the key is none for the value
new StreamsBuilder({ 'default.key.serde': Serdes.string }).stream('numbers')

// @ts-expect-error a topic is written with a serde of what is in the stream
prices.to('prices', { valueSerde: Serdes.long })

// @ts-expect-error the key's serde too
prices.to('prices', { keySerde: Serdes.long })

// @ts-expect-error a store keeps what is counted: numbers
trades.groupByKey().count({ store: { name: 'counts', valueSerde: Serdes.string } })

// @ts-expect-error a group is repartitioned with a serde of its new key
trades.groupBy((_symbol, trade) => trade.price, { keySerde: Serdes.string })

// @ts-expect-error a predicate says yes or no
trades.filter((symbol) => symbol.length)

// @ts-expect-error a mapper of map gives a pair
trades.map((symbol) => symbol)

const counted = trades
  .groupByKey()
  .windowedBy(tumbling({ sizeMs: 1, graceMs: 0 }))
  .count()
yes<Same<ReturnType<typeof counted.suppress>, typeof counted>>()
counted.suppress(untilWindowCloses({ maxRecords: 1 }))
trades.toTable().suppress(untilTimeLimit(1, { whenFull: 'emitEarly' }))

const products = builder.globalTable('products', { keySerde: Serdes.long, valueSerde: Serdes.json<{ readonly title: string }>() })
const titled = trades.join(
  products,
  (_symbol, trade) => trade.price,
  (trade, product) => `${product.title} ${trade.price.toFixed(2)}`,
)
yes<Same<typeof titled, KStream<string, string>>>()
trades.leftJoin(
  products,
  () => null,
  (_trade, product, symbol) => `${symbol} ${product?.title}`,
)

const [bySymbol, asItIs] = [(symbol: string) => symbol, <T>(_trade: Trade, product: T) => product]
// @ts-expect-error a global table is looked up by its own kind of key
trades.join(products, bySymbol, asItIs)

// @ts-expect-error only rows of windows wait until a window closes
trades.toTable().suppress(untilWindowCloses())

// @ts-expect-error a row that is final must not be sent early
untilWindowCloses({ whenFull: 'emitEarly' })

// A processor of one's own says what it makes of a record; one with a fixed key makes values only.
interface Priced {
  readonly price: number
}
const processed = trades.process<number, string>(() => ({ process: () => undefined }))
yes<Same<typeof processed, KStream<number, string>>>()
class Double implements FixedKeyProcessor<string, Trade, Priced> {
  #context!: FixedKeyProcessorContext<string, Priced>
  init(context: FixedKeyProcessorContext<string, Priced>) {
    this.#context = context
  }
  process(record: FixedKeyRecord<string, Trade>) {
    return this.#context.forward({ ...record, value: { price: record.value.price * 2 } })
  }
}
const doubled = trades.processValues(() => new Double())
yes<Same<typeof doubled, KStream<string, Priced>>>()

// @ts-expect-error a processor takes what is in the stream
prices.processValues(() => new Double())

// @ts-expect-error the keys too
keyed.processValues(() => new Double())

// A global table is joined by any key that the mapper computes.
const people = builder.globalTable('people', { keySerde: Serdes.long, valueSerde: Serdes.string, store: 'people' })
const withPeople = trades.leftJoin(
  people,
  (_symbol, trade) => trade.price,
  (trade, person) => `${trade.price} ${person ?? 'nobody'}`,
)
yes<Same<typeof withPeople, KStream<string, string>>>()

trades.join(
  people,
  // @ts-expect-error the mapper gives keys of the global table
  (symbol) => symbol,
  (_trade, person) => person,
)

// json() takes the type that its place asks for; where values come from it must say theirs.
const upper = dearest.mapValues((trade) => trade.price, { store: { name: 'upper', valueSerde: Serdes.json() } })
yes<Same<typeof upper, KTable<string, number>>>()
const lists = trades.groupByKey().aggregate(
  () => [],
  (_symbol, trade, list) => [...list, trade],
  { store: { name: 'lists', valueSerde: Serdes.json<readonly Trade[]>() } },
)
yes<Same<typeof lists, KTable<string, readonly Trade[]>>>()
const summed = trades.groupByKey().aggregate(
  () => ({ sum: 0 }),
  (_symbol, trade, { sum }) => ({ sum: sum + trade.price }),
  { store: { name: 'summed', valueSerde: Serdes.json() } },
)
yes<Same<typeof summed, KTable<string, { sum: number }>>>()

// @ts-expect-error of what is read nobody else says what it is
builder.stream('trades', { keySerde: Serdes.string, valueSerde: Serdes.json() })

// Extractors and partitioners see keys and values of their topic.
builder.stream('timed', { keySerde: Serdes.string, valueSerde: Serdes.json<Trade>(), timestampExtractor: ({ value }) => value.price })
trades.to((symbol, trade) => `${symbol.toLowerCase()}-${trade.price.toFixed()}`, {
  valueSerde: Serdes.json(),
  partitioner: (_topic, symbol, trade, partitions) => [(symbol.length + trade.price) % partitions],
})

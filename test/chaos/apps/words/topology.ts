import { Serdes, StreamsBuilder } from 'millrace'
import { chained } from '../../chain.ts'

/** Word count; and around it what shows each record's way: `echo` and `tokens` have every one once, `chains` a checksum per key. */
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const builder = new StreamsBuilder()

// "<number in its key> <words>"
const lines = builder.stream('lines', strings)

lines.to('echo', strings)

lines
  .groupByKey()
  .aggregate(
    () => '0 -',
    (_key, line, state) => {
      const [count = '', checksum = ''] = state.split(' ')
      return `${Number(count) + 1} ${chained(checksum, line)}`
    },
    { store: { name: 'chains', ...strings } },
  )
  .toStream()
  .to('chains', strings)

const tokens = lines
  .flatMap((key, line) => {
    const [number, ...words] = line.split(' ')
    return words.map((word, at): [string, string] => [word, `${key} ${number} ${at}`])
  })
  .repartition({ name: 'words', ...strings })

tokens.to('tokens', strings)
tokens.groupByKey().count({ store: 'counts' }).toStream().to('word-counts', { keySerde: Serdes.string, valueSerde: Serdes.long })

export default builder.build()

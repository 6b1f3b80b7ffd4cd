import { Serdes, StreamsBuilder } from 'millrace'

const builder = new StreamsBuilder()

builder
  .stream('lines', { keySerde: Serdes.string, valueSerde: Serdes.string })
  .flatMapValues((line) => line.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
  .groupBy((_key, word) => word, { keySerde: Serdes.string, valueSerde: Serdes.string })
  .count({ store: 'counts' })
  .toStream()
  .to('word-counts')

export default builder.build()

import { StreamsBuilder } from '../../src/dsl/streams-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'

export const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }

/** Lines are counted by word: two sub-topologies with a repartition topic between them. */
export const wordCount = () => {
  const builder = new StreamsBuilder()
  builder
    .stream('lines', strings)
    .flatMapValues((line) => line.split(' '))
    .groupBy((_key, word) => word, strings)
    .count({ store: 'counts' })
    .toStream()
    .to('totals')
  return builder.build()
}

/** Two groupings below one change of key. */
export const twoGroupings = (optimization: string) => {
  const builder = new StreamsBuilder({ 'topology.optimization': optimization })
  const turned = builder.stream('in', strings).map((key, value) => [value, key] as const)
  turned.groupByKey(strings).count({ store: 'a' }).toStream().to('out-a')
  turned
    .groupByKey(strings)
    .reduce((before) => before, { store: 'b' })
    .toStream()
    .to('out-b')
  return builder.build()
}

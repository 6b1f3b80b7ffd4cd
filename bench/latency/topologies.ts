import { Serdes, StreamsBuilder, type Topology } from 'millrace'

const texts = { keySerde: Serdes.string, valueSerde: Serdes.string }
/** Every record has an output of its own, which has the record's time: by it the record is known again. */
const counts = { store: { name: 'counts', caching: false } }

/** Topologies whose topics begin with the application's id, so that one broker serves many runs. */
export const topologies = {
  /** One sub-topology: counts by key. */
  count: (id: string): Topology => {
    const builder = new StreamsBuilder()
    builder.stream(`${id}-in`, texts).groupByKey().count(counts).toStream().to(`${id}-out`)
    return builder.build()
  },
  /** Two, with a repartition topic between them: counts words. */
  'word count': (id: string): Topology => {
    const builder = new StreamsBuilder()
    builder
      .stream(`${id}-in`, texts)
      .flatMapValues((line) => line.split(' '))
      .groupBy((_key, word) => word, { ...texts, name: 'by-word' })
      .count(counts)
      .toStream()
      .to(`${id}-out`)
    return builder.build()
  },
} as const

export type TopologyName = keyof typeof topologies

/** The outputs of one record. */
export const outputsPerRecord: Readonly<Record<TopologyName, number>> = { count: 1, 'word count': 4 }

const words = ['mill', 'race', 'water', 'wheel', 'grain', 'stone', 'flour', 'river', 'weir', 'sluice', 'bread', 'sack']

const word = (n: number): string => `${words[n % 12]}${n % 8}`

/** Key and value of the nth record: 100 keys, 24 words. */
export const recordOf = (n: number): { readonly key: string; readonly value: string } => ({
  key: `key ${n % 100}`,
  value: [n, n * 3, n * 5, n * 11].map(word).join(' '),
})

import { type FixedKeyProcessorContext, type FixedKeyRecord, hours, Serdes, StreamsBuilder, tumbling, untilWindowCloses } from 'millrace'

interface Reading {
  readonly place: string
  readonly magnitude: number
  /** When it was measured, which may be long before it arrives. */
  readonly measuredMs: number
}

interface Summary {
  readonly readings: number
  readonly strongest: number
}

const sizeMs = hours(6)
const graceMs = hours(3)
const endOf = (timestamp: number): number => timestamp - (timestamp % sizeMs) + sizeMs

/** Says of each reading whether the window that it belongs to has closed before it came. */
class Lateness {
  #context!: FixedKeyProcessorContext<string, Reading & { late: boolean }>

  init(context: FixedKeyProcessorContext<string, Reading & { late: boolean }>) {
    this.#context = context
  }

  process(record: FixedKeyRecord<string, Reading>) {
    const late = endOf(record.timestamp) + graceMs <= this.#context.currentStreamTimeMs()
    return this.#context.forward({ ...record, value: { ...record.value, late } })
  }
}

const nothing = (): Summary => ({ readings: 0, strongest: -10 })

const add = (_network: string, { magnitude }: Reading, { readings, strongest }: Summary): Summary => ({
  readings: readings + 1,
  strongest: Math.max(strongest, magnitude),
})

const builder = new StreamsBuilder()

const readings = builder
  .stream('readings', {
    keySerde: Serdes.string,
    valueSerde: Serdes.json<Reading>(),
    timestampExtractor: ({ value }) => value.measuredMs,
  })
  .processValues(() => new Lateness())

readings
  .filterNot((_network, { late }) => late)
  .groupByKey()
  .windowedBy(tumbling({ sizeMs, graceMs }))
  .aggregate(nothing, add, { store: { name: 'on-time', valueSerde: Serdes.json() } })
  .suppress(untilWindowCloses({ name: 'until-closed' }))
  .toStream()
  .to('summaries')

readings
  .filter((_network, { late }) => late)
  .groupByKey()
  .windowedBy(tumbling({ sizeMs, graceMs: hours(24 * 7) }))
  .aggregate(nothing, add, { store: { name: 'late', valueSerde: Serdes.json() } })
  .toStream()
  .to('corrections')

export default builder.build()

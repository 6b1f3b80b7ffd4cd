import { Serdes, StreamsBuilder, seconds, tumbling, untilWindowCloses } from 'millrace'

/** Clicks by window, each window told once, when it closes. */
const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
const builder = new StreamsBuilder()

builder
  .stream('clicks', strings)
  .groupByKey()
  .windowedBy(tumbling({ sizeMs: seconds(2), graceMs: seconds(2) }))
  .count({ store: 'clicks' })
  .suppress(untilWindowCloses({ name: 'closed' }))
  .toStream()
  .map(({ key, window }, count) => [key, `${window.startMs} ${count}`])
  .to('click-counts', strings)

export default builder.build()

import { type Awaitable, andThen } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { Change } from '../processor/change.ts'
import type { ProcessorContext, ProcessorSupplier } from '../processor/processor.ts'
import type { OpenSuppressionBuffer, SuppressionBuffer } from '../processor/store.ts'
import type { ProcessorNode } from '../topology/nodes.ts'
import type { Suppressed } from '../topology/suppressed.ts'
import type { TableView } from './table-view.ts'

export const suppressPrefix = 'KTABLE-SUPPRESS-'

/** A suppression whose waiting time is known. */
export interface Suppression<K> extends Suppressed<K> {
  readonly waitMs: number
}

/**
 * Holds the changes of a table back (`KTableSuppressProcessorSupplier`, D-54, S-24, KIP-328). A row is sent as its last change
 * left it, with that change's time, headers and place in its topic, once the highest time that came to this node is `waitMs` or
 * more beyond the row's buffer time; of several, by that time and then by the bytes of their keys. Beyond its limits the buffer
 * sends its oldest rows early, or throws PROCESSING_FAILED. As old value a change tells what the row was before its last change, as in
 * Kafka, also where that was never sent. The buffer is a store: it is in memory, and a task that begins reads all of it at its first
 * record, in one request per megabyte.
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder, seconds, tumbling, untilWindowCloses } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * builder
 *   .stream('clicks', strings)
 *   .groupByKey()
 *   .windowedBy(tumbling({ sizeMs: seconds(10), graceMs: 0 }))
 *   .count({ store: 'clicks-per-window' })
 *   .suppress(untilWindowCloses({ name: 'final' }))
 *   .toStream()
 *   .map(({ key, window }, clicks) => [key, `${clicks} until ${window.endMs}`])
 *   .to('counts', strings)
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const clicks = driver.createInputTopic('clicks', strings)
 * await clicks.pipeInput('ann', 'a', { timestamp: 1_000 })
 * await clicks.pipeInput('ann', 'b', { timestamp: 2_000 })
 * await clicks.pipeInput('bob', 'c', { timestamp: 10_000 })
 * driver.createOutputTopic('counts', strings).readRecords().map((it) => it.value) // => ['2 until 10000']
 * ```
 */
const suppress =
  <K, V>(
    name: string,
    store: string,
    { bufferTime, waitMs, dropsDeletions, maxRecords, maxBytes, whenFull }: Suppression<K>,
  ): ProcessorSupplier<K, Change<V>, K, Change<V>> =>
  () => {
    let context: ProcessorContext<K, Change<V>>
    let buffer: SuppressionBuffer<K, V>
    const timeName = `${store}/stream-time`
    let observed = -1
    const isOver = ({ records, bytes }: OpenSuppressionBuffer<K, V>): boolean => records > maxRecords || bytes > maxBytes
    const send: Parameters<OpenSuppressionBuffer<K, V>['evictWhile']>[1] = (record) => {
      if (record.value.newValue !== null || !dropsDeletions) return context.forward(record)
    }
    const keepWithinLimits = (rows: OpenSuppressionBuffer<K, V>): Awaitable<void> => {
      if (!isOver(rows)) return
      if (whenFull === 'emitEarly') return rows.evictWhile(() => isOver(rows), send)
      const [limits, held] = [`${maxRecords} records and ${maxBytes} bytes`, `${rows.records} records and ${rows.bytes} bytes`]
      throw new StreamsError('PROCESSING_FAILED', `${name} buffer exceeded its max capacity of ${limits}: it holds ${held}`, {
        remedy: 'Raise maxRecords or maxBytes of the suppression, or shorten the windows or their grace.',
      })
    }
    return {
      init: (given) => {
        context = given
        buffer = given.getStateStore<SuppressionBuffer<K, V>>(store)
        observed = given.remembered(timeName) ?? -1
      },
      process: (record) => {
        if (record.timestamp > observed) {
          observed = record.timestamp
          context.remember(timeName, observed)
        }
        return andThen(buffer.open(), (rows) => {
          rows.put(bufferTime(record.key, record.timestamp), record)
          const due = observed - waitMs
          return andThen(
            rows.evictWhile(() => rows.firstTimeMs <= due, send),
            () => keepWithinLimits(rows),
          )
        })
      },
    }
  }

/** Its physical node. */
export const suppressNode = <K>(name: string, store: string, suppression: Suppression<K>): ProcessorNode => ({
  kind: 'processor',
  name,
  parents: [],
  supplier: suppress(name, store, suppression),
  stores: [store],
  keepsKey: true,
  readsByKey: [],
})

/** The rows as those below the suppression know them: of one that waits, what it was before. Such a row has no time of its own. */
export const suppressedView = <K, V>(store: string, parent: TableView<K, V>): TableView<K, V> => ({
  stores: [store, ...parent.stores],
  historyMs: undefined,
  open: (context) => {
    const buffer = context.getStateStore<SuppressionBuffer<K, V>>(store)
    const lookUp = parent.open(context)
    return (key) =>
      andThen(buffer.open(), (rows) => {
        const prior = rows.prior(key)
        if (prior === undefined) return lookUp(key)
        return prior === null ? null : { value: prior, timestamp: -1 }
      })
  },
})

import type { Initializer } from '../operators/aggregate.ts'
import { type Merger, sessionAggregateFold, sessionWindowAggregate } from '../operators/session-window-aggregate.ts'
import { Serdes } from '../serde/serdes.ts'
import type { Windowed } from '../serde/windowed.ts'
import type { SessionWindows } from '../topology/windows.ts'
import { type CogroupInput, drawCogrouped } from './cogroup-aggregation.ts'
import type { KTable } from './k-table.ts'
import type { Aggregated } from './options.ts'
import { sessionRetention, sessionsFrom, windowReads } from './window-kinds.ts'
import { windowedStore } from './windowed-aggregation.ts'

/** Several grouped streams with the same keys, to be folded into one table per session (Kafka's `SessionWindowedCogroupedKStream`, D-32). */
export class SessionWindowedCogroupedKStream<K, A> {
  readonly #inputs: readonly CogroupInput<K, A>[]
  readonly #windows: SessionWindows

  constructor(inputs: readonly CogroupInput<K, A>[], windows: SessionWindows) {
    this.#inputs = inputs
    this.#windows = windows
  }

  /** Folds the values of each session of all streams, null ones too; sessions that become one are merged. */
  aggregate(initializer: Initializer<A>, merger: Merger<K, A>, options: Aggregated<K, A> = {}): KTable<Windowed<K>, A> {
    const windows = this.#windows
    const retention = sessionRetention(windows)
    const kind = { kind: 'session', holds: 'values' } as const
    return drawCogrouped(this.#inputs, {
      options,
      store: (drawing, name, materialized) => windowedStore(drawing, name, { ...materialized, kind, retention }),
      tableKeySerde: (inner) => Serdes.sessionWindowed(inner),
      graceMs: retention.graceMs,
      node: ({ aggregator }, { store, index, oldValues }) => ({
        supplier: sessionWindowAggregate(windows, sessionAggregateFold(initializer, aggregator, merger), {
          ...{ store, emit: 'onWindowUpdate', oldValues, part: index },
        }),
        keepsKey: false,
        readsByKey: [],
        ...windowReads(store, { fromMs: sessionsFrom(windows) }),
      }),
    })
  }
}

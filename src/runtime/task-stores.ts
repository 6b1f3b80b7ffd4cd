import type { ContextHolder } from '../processor/context.ts'
import { sessionWindowed, windowStoreKeys } from '../serde/windowed.ts'
import type { Rows } from '../state/rows.ts'
import { TimestampedStore } from '../state/timestamped-store.ts'
import { WindowedStore } from '../state/windowed-store.ts'
import type { AnySerde, StoreSpec } from '../topology/nodes.ts'

// biome-ignore lint/suspicious/noExplicitAny: stores of different types stand in one map; the DSL's types guard the edges
export type TaskStore = TimestampedStore<any, any>

export interface TaskStoreOptions {
  readonly changelog: string
  readonly rows: Rows
  readonly holder: ContextHolder
  /** What the task keeps for the next one, by name. */
  readonly remembered: Map<string, number>
}

/** The serde of a store's row keys: of one with windows the keys are windowed. */
export const rowKeySerde = (spec: StoreSpec): AnySerde => {
  switch (spec.kind) {
    case 'timestamped-key-value':
      return spec.keySerde
    case 'timestamped-window':
      return windowStoreKeys(spec.keySerde, spec.windowSizeMs)
    case 'session':
      return sessionWindowed(spec.keySerde)
    default:
      return spec satisfies never
  }
}

/** A store of a running task. One with windows is a store whose keys are windowed. */
export const openStore = (spec: StoreSpec, { changelog, rows, holder, remembered }: TaskStoreOptions): TaskStore => {
  const common = {
    name: spec.name,
    changelog,
    keySerde: rowKeySerde(spec),
    valueSerde: spec.valueSerde,
    caching: spec.caching,
    rows,
    holder,
  }
  switch (spec.kind) {
    case 'timestamped-key-value':
      return new TimestampedStore(common)
    case 'timestamped-window':
      return new WindowedStore({
        ...common,
        innerSerde: spec.keySerde,
        retentionMs: spec.retentionMs,
        timeOf: ({ startMs }) => startMs,
        remembered,
      })
    case 'session':
      return new WindowedStore({
        ...common,
        innerSerde: spec.keySerde,
        retentionMs: spec.retentionMs,
        timeOf: ({ endMs }) => endMs,
        remembered,
      })
    default:
      return spec satisfies never
  }
}

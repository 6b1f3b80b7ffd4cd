import type { Observed } from './run-scenario.ts'
import type { Expectations, OutputRecord } from './scenario.ts'

export const isChangelog = (topic: string): boolean => topic.endsWith('-changelog')

/** Java writes a row for a key of which only we had written one before: what windows there are decides what a record makes. */
export const goesOnWithout = (theirs: readonly OutputRecord[] = [], lost: readonly ReadonlySet<OutputRecord>[]): boolean => {
  const changes = (records: Iterable<OutputRecord>): readonly string[] =>
    [...records].flatMap(({ topic, kb }) =>
      isChangelog(topic) && kb ? [`${topic} ${Buffer.from(kb, 'base64').subarray(0, -windowBytes)}`] : [],
    )
  const keys = new Set(lost.flatMap(changes))
  return changes(theirs).some((key) => keys.has(key))
}

/** Behind the key in a changelog of windows: start and number. */
const windowBytes = 12

/** What we sent at an event that Java did not, because it had lost a window that closes. */
export const lostRecords = (theirs: readonly OutputRecord[], ours: readonly OutputRecord[]): ReadonlySet<OutputRecord> => {
  const waiting = theirs.map(recordId)
  const isLost = (record: OutputRecord): boolean => {
    const timed = waiting.indexOf(recordId(record))
    const at = timed >= 0 ? timed : waiting.indexOf(recordId({ ...record, ts: null }))
    // of changelogs Java has other writes between those that last
    if (at >= 0 && !isChangelog(record.topic)) waiting.splice(0, at + 1)
    return at < 0
  }
  return new Set(ours.filter(isLost))
}

/** Rows of stores below that came of windows that Java lost. */
export const withoutRowsJavaLost = ({ stores: theirs = {} }: Expectations, actual: Observed): Observed => ({
  ...actual,
  stores: Object.fromEntries(
    Object.entries(actual.stores ?? {}).map(([name, { kind, entries = [] }]) => {
      const keyOf = (entry: unknown): string => JSON.stringify((entry as readonly unknown[])[0])
      const known = new Set((theirs[name]?.entries ?? []).map(keyOf))
      return [name, { kind, entries: entries.filter((entry) => known.has(keyOf(entry))) }]
    }),
  ),
})

const recordId = ({ topic, ts, k, kb, v, vb }: OutputRecord): string => JSON.stringify([topic, ts, k, kb, v, vb])

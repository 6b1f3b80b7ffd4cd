import { fileURLToPath } from 'node:url'
import { describe, expect, inject, it } from 'vitest'
import { withoutStamp } from '../../src/runtime/commit-record.ts'
import { eventDifferences } from '../conformance/compare.ts'
import { buildScenario, inputOf, outputOf } from '../conformance/run-scenario.ts'
import { isFormatTable, type OutputRecord, type Scenario } from '../conformance/scenario.ts'
import { readVectors } from '../conformance/vector-files.ts'
import { deployVector, type VectorApp } from './vector-app.ts'

const kafka = inject('kafka')
const dynamodb = inject('dynamodb')

/**
 * What together uses every kind of store and of task. Java's driver is one task over all sub-topologies with one stream time; these
 * have one sub-topology, or others that look at no time: joins by foreign key, global tables, what is upstream of a repartition.
 */
const chosen: readonly (readonly [what: string, name: string])[] = [
  ['tumbling windows that are sent when they close', 'windows-time/tumbling-aggregate-finalMemory/random-0'],
  ['hopping windows below a suppression with a limit', 'suppress/closes-hopping-max-bytes/random-0'],
  ['sliding windows', 'windows-sliding/basic-aggregate-uncached/random-0'],
  ['sessions below a suppression', 'suppress/closes-session-unbounded/random-0'],
  ['an inner join of streams', 'stream-joins/join-grace/random-0'],
  ['a left join of streams', 'stream-joins/leftJoin-grace/random-0'],
  ['an outer join of streams', 'stream-joins/outerJoin-uneven/random-0'],
  ['a join by foreign key', 'fk-joins/fkJoin-script'],
  ['a left join by foreign key', 'fk-joins/fkLeftJoin-plain/random-0'],
  ['a left join by foreign key of tables of versions', 'versioned-below/fkLeftJoin-versioned'],
  ['records that wait for a table of versions', 'join-grace/random-1'],
  ['a global table', 'global-tables/leftJoin-then-group/random-0'],
  ['a global store that a processor fills', 'global-stores/add-accumulate-headersKeyValue'],
  ['a punctuation on stream time over a store', 'processors/count-punctuate-stream-reset/random-0'],
  ['a window store with duplicates', 'stores/window-memory-duplicates/random-0'],
  ['a store of the least recently used', 'stores/lru/random-0'],
  ['a store with headers', 'stores/headers-key-value-memory/random-0'],
  ['a value transformer', 'tables/transformMaterialized-plain/random-0'],
  ['a cogroup with sessions', 'cogroup/session-window-named/random-0'],
  ['a cogroup with windows below a suppression', 'cogroup/window-then-suppress/random-0'],
  ['a table whose topic is its changelog', 'tables/source-topic-reuse/random-0'],
  ['dead letters', 'errors/processing-after-repartition-dlq'],
]

const vectors = new Map(
  readVectors([fileURLToPath(new URL('../conformance/vectors', import.meta.url))]).flatMap((vector) =>
    isFormatTable(vector) ? [] : [[vector.name, vector] as const],
  ),
)

/** The same for the same name. */
const coinOf = (name: string) => {
  let state = [...name].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) | 0, 7)
  return (): boolean => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state < 0x40000000
  }
}

/** A broker takes its time: the beginning of a vector is one, too. */
const eventsMax = 20

const run = async (scenario: Scenario): Promise<void> => {
  const { topology } = buildScenario(scenario)
  const { events = [], expect: told, topics = {}, name } = scenario
  const expected = (told.events ?? []).map(({ out = [] }) => ({ out }))
  const written = new Set([...expected.flatMap(({ out }) => out.map(({ topic }) => topic)), ...topology.sinkTopics])
  const userTopics = [...Object.keys(topics), ...[...written].filter((topic) => !topic.startsWith('app-'))]
  const app = await deployVector({ topology, kafka: kafka ?? [], dynamodb: dynamodb ?? '', userTopics, isCold: coinOf(name) })
  try {
    const actual: { readonly out: readonly OutputRecord[] }[] = []
    for (const event of events.slice(0, eventsMax)) {
      // no clock moves anything here
      const records = 'clock' in event ? [] : 'bulk' in event ? event.bulk : [event]
      if (records.length > 0) await app.pipe(records.map((it) => ({ topic: it.topic, record: inputOf(scenario, it) })))
      actual.push({ out: await outputsOf(scenario, app, written) })
    }
    expect(eventDifferences(expected.slice(0, eventsMax), actual)).toEqual([])
    for (const store of app.stores) {
      const { rows, fold } = await app.stored(store)
      expect([store.spec.name, rows]).toEqual([store.spec.name, fold])
    }
  } finally {
    await app.close()
  }
}

/** What came since the last call. */
const outputsOf = async (scenario: Scenario, { committedSince }: VectorApp, topics: ReadonlySet<string>) =>
  [...(await committedSince([...topics]))].flatMap(([topic, records]) =>
    records.map((record): OutputRecord => {
      const { key, value } = record
      const { timestamp } = withoutStamp(record)
      const headers = record.headers.filter(([name]) => !name.startsWith('__millrace'))
      return outputOf(scenario, topic, { key, value, timestamp, headers })
    }),
  )

describe.skipIf(kafka === null || dynamodb === null)('invocations on a real Kafka and a real table do what Kafka Streams does:', () => {
  it.concurrent.each(chosen)('%s (%s)', { timeout: 120_000 }, async (_what, name) => {
    await run(vectors.get(name) ?? expect.fail(`no vector ${name}`))
  })
})

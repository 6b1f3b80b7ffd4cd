import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import type { Headers } from '../../processor/record.ts'
import type { StateKey, StateRow } from '../../state/backend.ts'

export type Attributes = Record<string, AttributeValue>

/** First byte of every sort key; another layout of rows takes another one. */
const layoutVersion = 1

/** Lower and upper bound of all sort keys of this layout. */
export const firstSortKey: Uint8Array = Uint8Array.of(layoutVersion)
export const endSortKey: Uint8Array = Uint8Array.of(layoutVersion + 1)

export const partitionKeyOf = (key: Omit<StateKey, 'key'>): string => `${key.subTopology}/${key.partition}/${key.gen}/${key.store}`

export function sortKeyOf(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1)
  bytes[0] = layoutVersion
  bytes.set(key, 1)
  return bytes
}

/** A string for maps: one per row of the table. */
export const identityOf = (partitionKey: string, sortKey: Uint8Array): string =>
  `${partitionKey}\n${Buffer.from(sortKey.buffer, sortKey.byteOffset, sortKey.byteLength).toString('latin1')}`

/** The row's own attributes in the order v, t, q, x, h; undefined: removed. */
export function attributesOf(row: StateRow): readonly (readonly [name: string, value: AttributeValue | undefined])[] {
  return [
    ['v', row.value === null ? undefined : { B: row.value }],
    ['t', { N: String(row.timestamp) }],
    ['q', { N: String(row.seq) }],
    ['x', row.expiresAtSeconds === undefined ? undefined : { N: String(row.expiresAtSeconds) }],
    ['h', row.headers === undefined || row.headers.length === 0 ? undefined : { L: row.headers.flatMap(headerOf) }],
  ]
}

const headerOf = ([name, value]: Headers[number]): AttributeValue[] => [{ S: name }, value === null ? { NULL: true } : { B: value }]

export function rowOf({ subTopology, partition, gen, store }: Omit<StateKey, 'key'>, attributes: Attributes): StateRow {
  const { sk, v, t, q, x, h } = attributes
  return {
    subTopology,
    partition,
    gen,
    store,
    key: (sk?.B ?? firstSortKey).subarray(1),
    value: v?.B ?? null,
    timestamp: Number(t?.N),
    seq: Number(q?.N),
    ...(x && { expiresAtSeconds: Number(x.N) }),
    ...(h?.L && { headers: headersOf(h.L) }),
  }
}

function headersOf(list: readonly AttributeValue[]): Headers {
  const headers: [string, Uint8Array | null][] = []
  for (let i = 0; i < list.length; i += 2) headers.push([list[i]?.S ?? '', list[i + 1]?.B ?? null])
  return headers
}

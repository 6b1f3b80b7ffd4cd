import { BatchGetItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb'
import type { StateKey, StateRange, StateRow } from '../../state/backend.ts'
import { inParallel } from './in-parallel.ts'
import type { KnownRows } from './known-rows.ts'
import type { Requests } from './requests.ts'
import { type Attributes, endSortKey, firstSortKey, identityOf, partitionKeyOf, rowOf, sortKeyOf } from './row-codec.ts'

const keysMax = 100
const batchesInParallel = 8

/** Consistent BatchGetItem of 100 keys a request; what DynamoDB leaves unprocessed is asked again, with jitter. */
export async function readRows(
  requests: Requests,
  known: KnownRows,
  keys: readonly StateKey[],
  deadlineMs: number,
): Promise<readonly (StateRow | undefined)[]> {
  const wanted = new Map<string, Attributes>()
  const identities = keys.map((key) => {
    const partitionKey = partitionKeyOf(key)
    const sortKey = sortKeyOf(key.key)
    const identity = identityOf(partitionKey, sortKey)
    wanted.set(identity, { pk: { S: partitionKey }, sk: { B: sortKey } })
    return identity
  })
  const distinct = [...wanted.values()]
  const batches = Array.from({ length: Math.ceil(distinct.length / keysMax) }, (_, i) => distinct.slice(i * keysMax, (i + 1) * keysMax))
  const found = new Map<string, Attributes>()
  await inParallel(batches, batchesInParallel, (batch) => readBatch(requests, batch, found, deadlineMs))
  for (const identity of wanted.keys()) known.learn(identity, found.has(identity))
  return identities.map((identity, i) => {
    const attributes = found.get(identity)
    return attributes && rowOf(keys[i] as StateKey, attributes)
  })
}

async function readBatch(
  requests: Requests,
  batch: readonly Attributes[],
  found: Map<string, Attributes>,
  deadlineMs: number,
): Promise<void> {
  let keys: Attributes[] = [...batch]
  for (let attempt = 0; ; attempt++) {
    const command = () => new BatchGetItemCommand({ RequestItems: { [requests.table]: { Keys: keys, ConsistentRead: true } } })
    const answer = await requests.send('BatchGetItem', (client, options) => client.send(command(), options), deadlineMs)
    for (const item of answer.Responses?.[requests.table] ?? []) found.set(identityOf(item.pk?.S ?? '', item.sk?.B as Uint8Array), item)
    keys = answer.UnprocessedKeys?.[requests.table]?.Keys ?? []
    if (keys.length === 0) return
    await requests.pause('BatchGetItem', attempt, deadlineMs)
  }
}

/** Consistent Query, a page a request (1 MB of rows, tombstones included, which are left out of the answer). */
export async function* queryRows(
  requests: Requests,
  known: KnownRows,
  range: StateRange,
  deadlineMs: number,
): AsyncGenerator<readonly StateRow[]> {
  if (range.from && range.to && Buffer.compare(range.from, range.to) > 0) return
  const values = {
    ':pk': { S: partitionKeyOf(range) },
    ':from': { B: range.from ? sortKeyOf(range.from) : firstSortKey },
    ':to': { B: range.to ? sortKeyOf(range.to) : endSortKey },
  }
  let start: Attributes | undefined
  do {
    const command = () =>
      new QueryCommand({
        TableName: requests.table,
        KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
        FilterExpression: 'attribute_exists(v)',
        ExpressionAttributeValues: values,
        ConsistentRead: true,
        ScanIndexForward: range.reverse !== true,
        ...(start && { ExclusiveStartKey: start }),
      })
    const answer = await requests.send('Query', (client, options) => client.send(command(), options), deadlineMs)
    const rows = (answer.Items ?? []).map((item) => rowOf(range, item))
    for (const { pk, sk } of answer.Items ?? []) known.learn(identityOf(pk?.S ?? '', sk?.B as Uint8Array), true)
    if (rows.length > 0) yield rows
    start = answer.LastEvaluatedKey
  } while (start)
}

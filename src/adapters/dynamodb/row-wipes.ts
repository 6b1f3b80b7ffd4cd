import { BatchWriteItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb'
import type { StateKey } from '../../state/backend.ts'
import { inParallel } from './in-parallel.ts'
import type { Requests } from './requests.ts'
import { type Attributes, partitionKeyOf } from './row-codec.ts'

/** What one BatchWriteItem takes. */
const deletesMax = 25
const batchesInParallel = 16
const pageRowsMax = 1000

/** Deletes a page of the rows of one key space, of whatever layout. The caller needs dynamodb:BatchWriteItem, which functions do not have. */
export async function wipeRows(requests: Requests, space: Omit<StateKey, 'key'>, deadlineMs: number): Promise<number> {
  const command = () =>
    new QueryCommand({
      TableName: requests.table,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: partitionKeyOf(space) } },
      ProjectionExpression: 'pk, sk',
      ConsistentRead: true,
      Limit: pageRowsMax,
    })
  const { Items: keys = [] } = await requests.send('Query', (client, options) => client.send(command(), options), deadlineMs)
  const batches = Array.from({ length: Math.ceil(keys.length / deletesMax) }, (_, at) => keys.slice(at * deletesMax, (at + 1) * deletesMax))
  await inParallel(batches, batchesInParallel, (batch) => deleteBatch(requests, batch, deadlineMs))
  return keys.length
}

async function deleteBatch(requests: Requests, batch: readonly Attributes[], deadlineMs: number): Promise<void> {
  let left = batch.map((Key) => ({ DeleteRequest: { Key } }))
  for (let attempt = 0; ; attempt++) {
    const command = () => new BatchWriteItemCommand({ RequestItems: { [requests.table]: left } })
    const { UnprocessedItems } = await requests.send('BatchWriteItem', (client, options) => client.send(command(), options), deadlineMs)
    left = (UnprocessedItems?.[requests.table] ?? []).flatMap(({ DeleteRequest: it }) =>
      it?.Key ? [{ DeleteRequest: { Key: it.Key } }] : [],
    )
    if (left.length === 0) return
    await requests.pause('BatchWriteItem', attempt, deadlineMs)
  }
}

import {
  BatchExecuteStatementCommand,
  BatchWriteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'

/** A row as this application has it: a count in a window, 100 bytes with its names and keys. */
const attributes = (row: number, seq: number) => ({
  pk: { S: 'kinds/0/0/counts' },
  sk: { B: Buffer.concat([Buffer.from([1]), Buffer.from(`key-${String(row).padStart(6, '0')}`), Buffer.alloc(12)]) },
  v: { B: Buffer.alloc(8, seq) },
  t: { N: '1700000000000' },
  q: { N: String(seq) },
  x: { N: '1700086400' },
})
const condition = 'attribute_not_exists(q) OR q < :q'

/** One way to write rows over older ones; all of them but the last two compare transaction numbers. */
export interface WriteKind {
  readonly name: string
  readonly rowsPerRequest: number
  readonly send: (client: DynamoDBClient, table: string, rows: readonly number[], seq: number) => Promise<unknown>
}

const updateOf = (table: string, row: number, seq: number) => {
  const { pk, sk, v, t, q, x } = attributes(row, seq)
  return {
    TableName: table,
    Key: { pk, sk },
    UpdateExpression: 'SET v = :v, t = :t, q = :q, x = :x',
    ConditionExpression: condition,
    ExpressionAttributeValues: { ':v': v, ':t': t, ':q': q, ':x': x },
  }
}

export const writeKinds: readonly WriteKind[] = [
  {
    name: 'BatchExecuteStatement, 25 UPDATEs',
    rowsPerRequest: 25,
    send: (client, table, rows, seq) => {
      const statements = rows.map((row) => {
        const { pk, sk, v, t, q, x } = attributes(row, seq)
        return {
          Statement: `UPDATE "${table}" SET v=? SET t=? SET q=? SET x=? WHERE pk=? AND sk=? AND q<?`,
          Parameters: [v, t, q, x, pk, sk, q],
        }
      })
      return client.send(new BatchExecuteStatementCommand({ Statements: statements }))
    },
  },
  {
    name: 'TransactWriteItems, 100 conditional Puts',
    rowsPerRequest: 100,
    send: (client, table, rows, seq) => {
      const puts = rows.map((row) => ({
        Put: {
          TableName: table,
          Item: attributes(row, seq),
          ConditionExpression: condition,
          ExpressionAttributeValues: { ':q': { N: String(seq) } },
        },
      }))
      return client.send(new TransactWriteItemsCommand({ TransactItems: puts }))
    },
  },
  {
    name: 'UpdateItem, conditional',
    rowsPerRequest: 1,
    send: (client, table, [row = 0], seq) => client.send(new UpdateItemCommand(updateOf(table, row, seq))),
  },
  {
    name: 'PutItem, conditional',
    rowsPerRequest: 1,
    send: (client, table, [row = 0], seq) =>
      client.send(
        new PutItemCommand({
          TableName: table,
          Item: attributes(row, seq),
          ConditionExpression: condition,
          ExpressionAttributeValues: { ':q': { N: String(seq) } },
        }),
      ),
  },
  {
    name: 'PutItem, unconditional: not safe',
    rowsPerRequest: 1,
    send: (client, table, [row = 0], seq) => client.send(new PutItemCommand({ TableName: table, Item: attributes(row, seq) })),
  },
  {
    name: 'BatchWriteItem, 25 unconditional Puts: not safe',
    rowsPerRequest: 25,
    send: (client, table, rows, seq) =>
      client.send(
        new BatchWriteItemCommand({ RequestItems: { [table]: rows.map((row) => ({ PutRequest: { Item: attributes(row, seq) } })) } }),
      ),
  },
]

import {
  type AttributeValue,
  BatchExecuteStatementCommand,
  type BatchStatementError,
  type BatchStatementRequest,
} from '@aws-sdk/client-dynamodb'
import type { StateRow } from '../../state/backend.ts'
import { inParallel } from './in-parallel.ts'
import type { KnownRows } from './known-rows.ts'
import type { Requests } from './requests.ts'
import { attributesOf, identityOf, partitionKeyOf, sortKeyOf } from './row-codec.ts'

const statementsMax = 25
const batchesInParallel = 16

interface Write {
  readonly row: StateRow
  readonly identity: string
  readonly partitionKey: string
  readonly sortKey: Uint8Array
  exists: boolean
  /** An INSERT was answered with DuplicateItem: from here on a failed UPDATE means that the row is as new. */
  surelyThere: boolean
}

/**
 * Writes rows over lower seqs by BatchExecuteStatement, 25 conditional statements a request. PartiQL has no upsert: a row
 * believed to exist gets an UPDATE, another one an INSERT, and a wrong belief is corrected by the other statement in the
 * next round. Measured on DynamoDB Local, 1,000 rows of 100 bytes, client CPU and requests: 80-105 us a row and 40
 * requests, where one UpdateItem each takes 835-960 us and 1,000; a round of wrong beliefs costs as much again. TransactWriteItems takes
 * 40 us and 10 requests, but twice the write units, which cost more than that time (`npm run bench -- state-cost`).
 * The role needs dynamodb:PartiQLInsert and dynamodb:PartiQLUpdate.
 */
export async function writeRows(requests: Requests, known: KnownRows, rows: readonly StateRow[], deadlineMs: number): Promise<void> {
  let left: readonly Write[] = newestPerRow(rows, known)
  for (let attempt = 0; left.length > 0; ) {
    const batches = Array.from({ length: Math.ceil(left.length / statementsMax) }, (_, i) =>
      left.slice(i * statementsMax, (i + 1) * statementsMax),
    )
    const answers = await inParallel(batches, batchesInParallel, (batch) => writeBatch(requests, known, batch, deadlineMs))
    left = answers.flatMap((answer) => answer.again)
    if (answers.some((answer) => answer.throttled)) await requests.pause('BatchExecuteStatement', attempt++, deadlineMs)
  }
}

// A batch may name a row only once, and the newest would win anyway.
function newestPerRow(rows: readonly StateRow[], known: KnownRows): readonly Write[] {
  const writes = new Map<string, Write>()
  for (const row of rows) {
    const partitionKey = partitionKeyOf(row)
    const sortKey = sortKeyOf(row.key)
    const identity = identityOf(partitionKey, sortKey)
    const other = writes.get(identity)
    if (other && other.row.seq >= row.seq) continue
    writes.set(identity, { row, identity, partitionKey, sortKey, exists: known.exists(identity), surelyThere: false })
  }
  return [...writes.values()]
}

interface BatchAnswer {
  readonly again: readonly Write[]
  readonly throttled: boolean
}

async function writeBatch(requests: Requests, known: KnownRows, batch: readonly Write[], deadlineMs: number): Promise<BatchAnswer> {
  const command = () => new BatchExecuteStatementCommand({ Statements: batch.map((write) => statementOf(requests.table, write)) })
  const { Responses = [] } = await requests.send('BatchExecuteStatement', (client, options) => client.send(command(), options), deadlineMs)
  const again: Write[] = []
  let throttled = false
  for (const [i, write] of batch.entries()) {
    const error = Responses[i]?.Error
    const next = error ? afterError(error, write) : 'done'
    if (next === 'refused')
      throw requests.refused(write.exists ? 'PartiQLUpdate' : 'PartiQLInsert', error, `${error?.Code}: ${error?.Message}`)
    if (next === 'done') known.learn(write.identity, true)
    else again.push(write)
    if (next === 'throttled') throttled = true
    if (next === 'other statement') {
      write.exists = !write.exists
      known.correct(write.identity, write.exists)
    }
  }
  return { again, throttled }
}

function afterError(error: BatchStatementError, write: Write): 'done' | 'other statement' | 'throttled' | 'refused' {
  switch (error.Code) {
    case 'ConditionalCheckFailed':
      return error.Item !== undefined || write.surelyThere ? 'done' : 'other statement'
    case 'DuplicateItem':
      write.surelyThere = true
      return 'other statement'
    case 'ThrottlingError':
    case 'ProvisionedThroughputExceeded':
    case 'RequestLimitExceeded':
    case 'InternalServerError':
    case 'TransactionConflict':
      return 'throttled'
    default:
      return 'refused'
  }
}

function statementOf(table: string, { row, partitionKey, sortKey, exists }: Write): BatchStatementRequest {
  const attributes = attributesOf(row)
  const key: AttributeValue[] = [{ S: partitionKey }, { B: sortKey }]
  const set = attributes.flatMap(([, value]) => (value ? [value] : []))
  if (!exists) {
    const names = ['pk', 'sk', ...attributes.flatMap(([name, value]) => (value ? [name] : []))]
    return {
      Statement: `INSERT INTO "${table}" VALUE {${names.map((name) => `'${name}':?`).join(',')}}`,
      Parameters: [...key, ...set],
    }
  }
  const clauses = attributes.map(([name, value]) => (value ? `SET ${name}=?` : `REMOVE ${name}`)).join(' ')
  return {
    Statement: `UPDATE "${table}" ${clauses} WHERE pk=? AND sk=? AND q<?`,
    Parameters: [...set, ...key, { N: String(row.seq) }],
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  }
}

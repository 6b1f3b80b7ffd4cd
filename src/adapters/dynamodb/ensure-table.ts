import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateContinuousBackupsCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb'
import { isStreamsError } from '../../errors.ts'
import type { Requests } from './requests.ts'

/** Creates the table on demand with TTL on `x`, or takes the one that is there; several processes may do so at once. */
export async function ensureTable(requests: Requests, pointInTimeRecovery: boolean, deadlineMs: number): Promise<void> {
  const created = (await describe(requests, deadlineMs)) === undefined && (await create(requests, deadlineMs))
  for (let attempt = 0; ; attempt++) {
    const table = await describe(requests, deadlineMs)
    if (table?.TableStatus === 'ACTIVE') {
      assertLayout(requests, table)
      break
    }
    await requests.pause('DescribeTable', attempt, deadlineMs)
  }
  await ensureTimeToLive(requests, deadlineMs)
  if (!created || !pointInTimeRecovery) return
  const backups = () =>
    new UpdateContinuousBackupsCommand({
      TableName: requests.table,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    })
  await requests.send('UpdateContinuousBackups', (client, options) => client.send(backups(), options), deadlineMs)
}

async function describe(requests: Requests, deadlineMs: number): Promise<TableDescription | undefined> {
  const command = () => new DescribeTableCommand({ TableName: requests.table })
  try {
    return (await requests.send('DescribeTable', (client, options) => client.send(command(), options), deadlineMs)).Table
  } catch (error) {
    if (isStreamsError(error) && error.cause instanceof ResourceNotFoundException) return undefined
    throw error
  }
}

/** False where another process was faster. */
async function create(requests: Requests, deadlineMs: number): Promise<boolean> {
  const command = () =>
    new CreateTableCommand({
      TableName: requests.table,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'B' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    })
  try {
    await requests.send('CreateTable', (client, options) => client.send(command(), options), deadlineMs)
    return true
  } catch (error) {
    if (isStreamsError(error) && error.cause instanceof ResourceInUseException) return false
    throw error
  }
}

function assertLayout(requests: Requests, table: TableDescription): void {
  const types = new Map(table.AttributeDefinitions?.map(({ AttributeName, AttributeType }) => [AttributeName, AttributeType]))
  const keys = (table.KeySchema ?? [])
    .map(({ AttributeName, KeyType }) => `${AttributeName} ${types.get(AttributeName)} ${KeyType}`)
    .join(', ')
  const expected = 'pk S HASH, sk B RANGE'
  if (keys !== expected)
    throw requests.refused('ensure', undefined, `its keys are ${keys}, not ${expected}: it is the table of something else`)
}

async function ensureTimeToLive(requests: Requests, deadlineMs: number): Promise<void> {
  const look = () => new DescribeTimeToLiveCommand({ TableName: requests.table })
  const { TimeToLiveDescription } = await requests.send('DescribeTimeToLive', (client, options) => client.send(look(), options), deadlineMs)
  if (TimeToLiveDescription?.TimeToLiveStatus !== 'DISABLED') return
  const enable = () =>
    new UpdateTimeToLiveCommand({ TableName: requests.table, TimeToLiveSpecification: { AttributeName: 'x', Enabled: true } })
  try {
    await requests.send('UpdateTimeToLive', (client, options) => client.send(enable(), options), deadlineMs)
  } catch (error) {
    // Another process was faster: DynamoDB has no error name of its own for that.
    if (!isStreamsError(error, 'TABLE_REFUSED') || !error.message.includes('already enabled')) throw error
  }
}

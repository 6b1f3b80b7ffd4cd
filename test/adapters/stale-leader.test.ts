import { expect, it } from 'vitest'
import { Cluster } from '../../src/adapters/kafkajs/cluster.ts'
import { askLeaders } from '../../src/adapters/kafkajs/partition-reader.ts'
import { soon } from './kafka-harness.ts'

const at = { topic: 't', partition: 0, offset: 5 }

/** Leads itself all that is asked for. */
class OneBroker extends Cluster {
  constructor() {
    super([], { clientId: 'test', ssl: null, sasl: null })
  }

  override async leadersOf(partitions: readonly unknown[]) {
    return partitions.map(() => ({ host: '127.0.0.1', port: 1 }))
  }
}

const answering = (errors: readonly number[]) => {
  const left = [...errors]
  return async () => [{ topic: 't', partitions: [{ partition: 0, error: left.shift() ?? 0 }] }]
}

it('an offset that a leader of yesterday does not have is asked for again', async () => {
  const answers = await askLeaders(new OneBroker(), [at], 'Fetch', soon(), answering([1, 1, 0]))
  expect(answers).toEqual([{ partition: 0, error: 0 }])
})

it('an offset that a log does not have is outside of it wherever else it is asked for', async () => {
  const asked = askLeaders(new OneBroker(), [at], 'ListOffsets', soon(), answering([1]))
  await expect(asked).rejects.toMatchObject({ code: 'LOG_TRUNCATED', message: 'offset 5 of t/0 is outside of its log' })
})

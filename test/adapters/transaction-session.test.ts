import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Api, BrokerAddress } from '../../src/adapters/kafkajs/apis.ts'
import { Unanswered } from '../../src/adapters/kafkajs/connection.ts'
import { createKafkaJsTxnLog } from '../../src/adapters/kafkajs/transaction-log.ts'
import { isStreamsError } from '../../src/errors.ts'
import type { LogRecord, TopicPartition, TxnSession } from '../../src/runtime/ports.ts'
import type { CompressionType } from '../../src/topology/config.ts'

/** How a broker answers: an error code, silence (`lost`: it has done what was asked), or when it likes to. */
type Reaction = number | 'lost' | 'not sent' | Promise<void>

const one: BrokerAddress = { host: 'one', port: 1 }
const two: BrokerAddress = { host: 'two', port: 2 }
const at = (partition: number): TopicPartition => ({ topic: 't', partition })
const record = (value: string): LogRecord => ({ key: null, value: Buffer.from(value), timestamp: 0, headers: [] })
const forever = Number.MAX_SAFE_INTEGER

/** What was asked, and of whom: `EndTxn 2` is at broker two. */
interface Sent {
  readonly api: string
  readonly to: BrokerAddress
  readonly request: Readonly<Record<string, unknown>>
}

/**
 * A cluster of two brokers that answers as it is told, then in peace. Partition 0 is led by broker one, the others by two; who
 * leads is asked again where it was forgotten, and the coordinator is broker one.
 */
const scripted = (script: Readonly<Record<string, readonly Reaction[]>> = {}, { endTxnVersion = 5 } = {}) => {
  const left = new Map(Object.entries(script).map(([api, reactions]) => [api, [...reactions]]))
  const sent: Sent[] = []
  const lookedUp: string[] = []
  const leaders = new Map<number, BrokerAddress>()
  let epoch = 0
  let offset = 0
  const peaceful = (api: string, request: Sent['request'], error: number): unknown => {
    const topics = (request.topics ?? []) as readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number }[]
    }[]
    const each = (answer: object) => ({
      topics: topics.map((it) => ({ ...it, partitions: it.partitions.map((p) => ({ ...p, ...answer })) })),
    })
    if (api === 'InitProducerId') return { error, producerId: 7, epoch: ++epoch }
    if (api === 'AddPartitionsToTxn') return each({ error })
    if (api === 'Produce') return each({ error, baseOffset: error === 0 ? offset++ : -1, message: null })
    return { error, next: endTxnVersion < 5 ? null : { producerId: 7, epoch: error === 0 ? ++epoch : epoch } }
  }
  const cluster = {
    speaks: () => endTxnVersion >= 5,
    coordinatorOf: async () => {
      lookedUp.push('coordinator')
      return one
    },
    forgetCoordinator: () => lookedUp.push('forget coordinator'),
    leadersOf: async (partitions: readonly TopicPartition[]) =>
      partitions.map(({ partition }) => leaders.get(partition) ?? (partition === 0 ? one : two)),
    forgetLeader: ({ partition }: TopicPartition) => {
      lookedUp.push(`forget leader ${partition}`)
      leaders.set(partition, one)
    },
    send: async <Q, A>(to: BrokerAddress, { name }: Api<Q, A>, request: Q): Promise<A> => {
      const asked = request as unknown as Sent['request']
      sent.push({ api: name, to, request: asked })
      const reaction = left.get(`${name} ${to.port}`)?.shift() ?? left.get(name)?.shift() ?? 0
      if (reaction === 'lost' || reaction === 'not sent') throw new Unanswered(reaction === 'lost', 'silence')
      if (typeof reaction !== 'number') await reaction
      return peaceful(name, asked, typeof reaction === 'number' ? reaction : 0) as A
    },
  }
  const log = createKafkaJsTxnLog(cluster, { batchBytesMax: 1000, onClose: () => undefined })
  return {
    log,
    sent,
    lookedUp,
    open: (compression: CompressionType = 'none') =>
      log.open({ transactionalId: 'id', transactionTimeoutMs: 1000, compression, deadlineMs: forever }),
    apis: () => sent.map(({ api, to }) => `${api} ${to.port}`),
    bytes: (api = 'Produce') =>
      sent
        .filter((it) => it.api === api)
        .flatMap(({ to, request }) =>
          (request.topics as { partitions: { partition: number; bytes: Buffer }[] }[]).flatMap(({ partitions }) =>
            partitions.map(({ partition, bytes }) => `${partition} at ${to.port}: ${bytes.toString('hex')}`),
          ),
        ),
  }
}

const outcomeOf = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'done',
    (error: unknown) => (isStreamsError(error) ? error.code : String(error)),
  )

/** The back-off, which nobody waits for here: milliseconds in their order. */
const delays: number[] = []
vi.mock('node:timers/promises', () => ({
  setTimeout: async (ms: number) => void delays.push(ms),
}))
beforeEach(() => {
  delays.length = 0
})

const steps = {
  InitProducerId: async (it: ReturnType<typeof scripted>) => it.open(),
  AddPartitionsToTxn: async (it: ReturnType<typeof scripted>) => (await it.open()).append([{ ...at(0), records: [record('a')] }], forever),
  EndTxn: async (it: ReturnType<typeof scripted>) => {
    const session = await it.open()
    await session.append([{ ...at(0), records: [record('a')] }], forever)
    await session.commit(forever)
  },
}
const apis = Object.keys(steps) as (keyof typeof steps)[]

describe('the coordinator', () => {
  const moved = [15, 16]
  const waits = [14, 51, ...moved]
  it.each(apis.flatMap((api) => waits.map((error) => [api, error] as const)))(
    '%s: after error %i the same request is sent again, without waiting for hundreds of milliseconds (K4, K8)',
    async (api, error) => {
      const it = scripted({ [api]: [error, error, error] })
      expect(await outcomeOf(steps[api](it))).toBe('done')
      expect(delays).toEqual(error === 51 ? [1, 2, 4] : [5, 10, 20])
      const requests = it.sent.filter((sent) => sent.api === api).map(({ request }) => request)
      expect(requests).toEqual([requests[0], requests[0], requests[0], requests[0]])
      expect(it.lookedUp.filter((what) => what === 'forget coordinator')).toHaveLength(moved.includes(error) ? 3 : 0)
    },
  )

  const ends = [
    ...[47, 90, 49, 52, 48, 45, 46, 59, 120, 9999].map((error) => [error, 'FENCED'] as const),
    ...[29, 30, 53, 42].map((error) => [error, 'BROKER_REFUSED'] as const),
  ]
  it.each(apis.flatMap((api) => ends.map(([error, code]) => [api, error, code] as const)))(
    '%s: error %i is %s and ends the session (K6)',
    async (api, error, code) => {
      const it = scripted({ [api]: [error] })
      expect(await outcomeOf(steps[api](it))).toBe(code)
      expect(it.sent.filter((sent) => sent.api === api)).toHaveLength(1)
    },
  )

  it('that never answers an EndTxn leaves the outcome unknown, and the session is dead', async () => {
    const it = scripted({ EndTxn: ['lost'] }, { endTxnVersion: 4 })
    const session = await it.open()
    await session.append([{ ...at(0), records: [record('a')] }], forever)
    expect(await outcomeOf(session.commit(forever))).toBe('OUTCOME_UNKNOWN')
    expect([session.dead, session.reusable]).toEqual([true, false])
    expect(await outcomeOf(session.append([{ ...at(0), records: [record('b')] }], forever))).toBe('OUTCOME_UNKNOWN')
    expect(it.apis()).toEqual(['InitProducerId 1', 'AddPartitionsToTxn 1', 'Produce 1', 'EndTxn 1'])
  })

  it('that has lost the answer to an EndTxn is asked again where the epoch moves on (KIP-890)', async () => {
    const it = scripted({ EndTxn: ['lost', 0] })
    expect(await outcomeOf(steps.EndTxn(it))).toBe('done')
    expect(it.apis().filter((api) => api === 'EndTxn 1')).toHaveLength(2)
  })

  it('that says FENCED to a repeated EndTxn leaves the outcome unknown: the first may have done it', async () => {
    const it = scripted({ EndTxn: ['lost', 47] })
    expect(await outcomeOf(steps.EndTxn(it))).toBe('OUTCOME_UNKNOWN')
  })

  it('is asked by a further transaction for nothing that is known: AddPartitionsToTxn, Produce, EndTxn (K7)', async () => {
    const it = scripted()
    const session = await it.open()
    for (const value of ['a', 'b']) {
      await session.append([{ ...at(0), records: [record(value)] }], forever)
      await session.commit(forever)
    }
    expect(it.apis().slice(4)).toEqual(['AddPartitionsToTxn 1', 'Produce 1', 'EndTxn 1'])
  })
})

describe('records', () => {
  const append = async (it: ReturnType<typeof scripted>, ...partitions: readonly number[]): Promise<TxnSession> => {
    const session = await it.open()
    await session.append(
      partitions.map((partition) => ({ ...at(partition), records: [record(`for ${partition}`)] })),
      forever,
    )
    return session
  }

  it.each([3, 5, 6, 19, 56, 74])('that error %i refuses are sent again with the same bytes, to whoever leads then', async (error) => {
    const it = scripted({ 'Produce 2': [error] })
    await append(it, 1)
    const [first, second, ...more] = it.bytes()
    expect(more).toEqual([])
    expect(second).toBe(first?.replace('at 2', 'at 1'))
    expect(it.lookedUp).toContain('forget leader 1')
  })

  it('that nobody takes after three further tries abort the transaction', async () => {
    const it = scripted({ Produce: [6, 6, 6, 6] })
    expect(await outcomeOf(append(it, 0))).toBe('TRANSACTION_ABORTED')
    expect(it.bytes()).toHaveLength(4)
  })

  it.each([
    [20, 'TRANSACTION_ABORTED'],
    [7, 'TRANSACTION_ABORTED'],
    [10, 'RECORD_INVALID'],
    [87, 'RECORD_INVALID'],
    [2, 'RECORD_INVALID'],
    [47, 'FENCED'],
    [45, 'FENCED'],
    [29, 'BROKER_REFUSED'],
  ])('that error %i refuses are not sent again: %s', async (error, code) => {
    const it = scripted({ Produce: [error] })
    expect(await outcomeOf(append(it, 0))).toBe(code)
    expect(it.bytes()).toHaveLength(1)
  })

  it('whose answer is lost are never sent again on this epoch: the transaction is aborted, and the session is dead (K3)', async () => {
    const it = scripted({ Produce: ['lost'] })
    const session = await it.open()
    expect(await outcomeOf(session.append([{ ...at(0), records: [record('a')] }], forever))).toBe('TRANSACTION_ABORTED')
    await session.abort(forever)
    expect(await outcomeOf(session.append([{ ...at(0), records: [record('b')] }], forever))).toBe('TRANSACTION_ABORTED')
    expect(it.apis()).toEqual(['InitProducerId 1', 'AddPartitionsToTxn 1', 'Produce 1', 'EndTxn 1'])
    expect(it.sent.at(-1)?.request).toMatchObject({ committed: false })
  })

  it('whose leader moves to a broker that has answered already are not forgotten (K1)', async () => {
    const it = scripted({ 'Produce 2': [6] })
    const session = await append(it, 0, 1)
    expect(it.bytes().map((line) => line.slice(0, 6))).toEqual(['0 at 1', '1 at 2', '1 at 1'])
    expect(session.dead).toBe(false)
  })

  it('that one broker refuses while another is slow are the only ones that are sent again (K2)', async () => {
    let answer = (): void => undefined
    const slow = new Promise<void>((resolve) => {
      answer = resolve
    })
    const it = scripted({ 'Produce 1': [slow], 'Produce 2': [6] })
    const appending = append(it, 0, 1)
    await new Promise(setImmediate)
    expect(it.bytes().map((line) => line.slice(0, 6))).toEqual(['0 at 1', '1 at 2'])
    answer()
    await appending
    expect(it.bytes().map((line) => line.slice(0, 6))).toEqual(['0 at 1', '1 at 2', '1 at 1'])
  })

  it('that are more than a batch takes are cut, and their sequence goes on (K9)', async () => {
    const it = scripted()
    const session = await it.open()
    await session.append([{ ...at(0), records: Array.from({ length: 5 }, () => record('x'.repeat(450))) }], forever)
    const sequences = it.bytes().map((line) => Buffer.from(line.split(': ')[1] ?? '', 'hex').readInt32BE(53))
    expect(sequences).toEqual([0, 2, 4])
  })

  it('are cut by what they are before they are compressed, and sent again as they were compressed', async () => {
    const it = scripted({ 'Produce 2': [6] })
    const session = await it.open('zstd')
    await session.append([{ ...at(1), records: Array.from({ length: 5 }, () => record('x'.repeat(450))) }], forever)
    const batches = it.bytes().map((line) => Buffer.from(line.split(': ')[1] ?? '', 'hex'))
    expect(batches.map((batch) => [batch.readInt16BE(21) & 7, batch.readInt32BE(57)])).toEqual([
      [4, 2],
      [4, 2],
      [4, 2],
      // one of a kind, but for its 450 letters
      [4, 1],
    ])
    expect(batches[1]).toEqual(batches[0])
  })
})

describe('a session', () => {
  const transaction = async (session: TxnSession) => {
    await session.append([{ ...at(0), records: [record('a')] }], forever)
    await session.commit(forever)
  }

  it('may be used again after each transaction whose end has moved its epoch on', async () => {
    const session = await scripted().open()
    const seen = [session.reusable]
    await session.append([{ ...at(0), records: [record('a')] }], forever)
    seen.push(session.reusable)
    await session.commit(forever)
    seen.push(session.reusable)
    session.close()
    expect([...seen, session.reusable]).toEqual([true, false, true, false])
  })

  it('of a broker before KIP-890 may not be used for another invocation: a late EndTxn could end the next transaction', async () => {
    const session = await scripted({}, { endTxnVersion: 4 }).open()
    await transaction(session)
    expect([session.dead, session.reusable]).toEqual([false, false])
  })
})

import type { MemoryKafka } from '../../src/adapters/memory/log.ts'
import { StreamsError } from '../../src/errors.ts'
import type {
  Appended,
  Bounds,
  FetchedPartition,
  PartitionBatch,
  PartitionReader,
  TopicAdmin,
  TxnLog,
  TxnSession,
} from '../../src/runtime/ports.ts'
import type { StateRange, StateRow, TableBackend } from '../../src/state/backend.ts'
import type { PortCall } from '../runtime/faults.ts'
import { isPage, readApart } from './audited-pages.ts'
import type { Auditor } from './auditor.ts'
import type { Process } from './process.ts'

/** A call of a port: one request, of the many that a call may need. */
export interface Call {
  readonly name: PortCall
  /** What it asks for, for the trace. */
  readonly about: () => string
  /** Number of the call among all of the run. */
  readonly number: number
}

/** A request that was sent and has not reached the broker or the table yet. */
export interface Request {
  readonly call: Call
  readonly process: Process
  /** What happens where it arrives. */
  apply(): Promise<unknown>
  answer(value: unknown): void
  fail(error: unknown): void
}

/** What the processes and the parts that they call have in common. */
export interface World {
  readonly kafka: MemoryKafka
  readonly table: TableBackend
  readonly auditor: Auditor
  /** Rows per request of a put; several partitions per request of a fetch, or one. */
  readonly rowsPerPut: number
  readonly fetchesApart: boolean
  send(request: Request): void
  /** Resolves when the time has passed. */
  wait(process: Process, ms: number): Promise<void>
  nextCall(): number
  /** Whether the broker that is being asked stood still, and the end that it then tells. */
  readonly isStale: boolean
  oldEnd(end: number): number
}

const never = Number.POSITIVE_INFINITY
const rowsPerQuery = 3

const pastDeadline = (process: Process, deadlineMs: number, what: string): StreamsError | undefined =>
  process.nowMs() > deadlineMs ? new StreamsError('DEADLINE_EXCEEDED', `${what}: its deadline passed before it was sent`) : undefined

/** Sends one request; what it does happens when the scheduler lets it arrive, and the promise ends when it lets the answer arrive. */
const ask = <T>(
  world: World,
  process: Process,
  { name, about, deadlineMs }: { readonly name: PortCall; readonly about: () => string; readonly deadlineMs: number },
  apply: () => Promise<T>,
): Promise<T> => {
  // what a dead process is still told to do never happens
  if (process.gone) return new Promise(() => undefined)
  const late = pastDeadline(process, deadlineMs, name)
  if (late) return Promise.reject(late)
  return new Promise<T>((resolve, reject) => {
    const call = { name, about, number: world.nextCall() }
    world.send({ call, process, apply, answer: (value) => resolve(value as T), fail: reject })
  })
}

/** A producer as its process knows it: dead after its first rejection, whatever the broker knows. */
class RemoteSession implements TxnSession {
  readonly #world: World
  readonly #process: Process
  readonly #session: TxnSession
  #failure: unknown
  #closed = false
  #appended = false
  /** Epochs begin with each transaction: what was sent for an older one is refused. */
  #epoch = 0
  readonly #atBroker = { epoch: 0 }

  constructor(world: World, process: Process, session: TxnSession) {
    this.#world = world
    this.#process = process
    this.#session = session
  }

  get dead(): boolean {
    return this.#closed || this.#failure !== undefined
  }

  get reusable(): boolean {
    return !this.dead && !this.#appended
  }

  append(batches: readonly PartitionBatch[], deadlineMs: number): Promise<readonly Appended[]> {
    return this.#attempt(async () => {
      if (batches.length === 0) return []
      this.#appended = true
      const { auditor } = this.#world
      const answers = batches.map((batch) =>
        this.#ask(
          'append',
          deadlineMs,
          () => `${batch.topic}/${batch.partition} x${batch.records.length}`,
          async () => {
            const appended = await this.#session.append([batch], never)
            for (const at of appended) auditor.appended(this.#session, batch, at)
            return appended
          },
        ),
      )
      return (await Promise.all(answers)).flat()
    })
  }

  commit(deadlineMs: number): Promise<void> {
    return this.#attempt(() => this.#end('commit', deadlineMs))
  }

  async abort(deadlineMs: number): Promise<void> {
    if (!this.#appended) return
    if (!this.dead) return this.#attempt(() => this.#end('abort', deadlineMs))
    const code = this.#failure instanceof StreamsError ? this.#failure.code : undefined
    if (this.#closed || code === 'FENCED' || code === 'OUTCOME_UNKNOWN') return
    await this.#end('abort', deadlineMs).catch(() => undefined)
  }

  close(): void {
    this.#closed = true
  }

  async #end(what: 'commit' | 'abort', deadlineMs: number): Promise<void> {
    if (!this.#appended) throw new Error('invariant broken: a commit without an append')
    const { auditor } = this.#world
    await this.#ask(
      what,
      deadlineMs,
      () => '',
      async () => {
        // partitions were added, and nothing was produced to them yet: a broker ends such a transaction
        if (auditor.hasAppended(this.#session)) await this.#session[what](never)
        this.#atBroker.epoch++
        await auditor.ended(this.#session, what === 'commit')
      },
    )
    this.#appended = false
    this.#epoch++
  }

  #ask<T>(name: 'append' | 'commit' | 'abort', deadlineMs: number, about: () => string, apply: () => Promise<T>): Promise<T> {
    const epoch = this.#epoch
    return ask(this.#world, this.#process, { name, about, deadlineMs }, async () => {
      if (epoch !== this.#atBroker.epoch) throw new StreamsError('FENCED', `${name}: the epoch is over`)
      return apply()
    })
  }

  async #attempt<T>(run: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closed) throw new Error('invariant broken: the session is closed')
    try {
      return await run()
    } catch (error) {
      this.#failure = error
      throw error
    }
  }
}

const txnLogOf = (world: World, process: Process): TxnLog => ({
  open: async (options) => {
    const { transactionalId, deadlineMs } = options
    const session = await ask(world, process, { name: 'open', about: () => transactionalId, deadlineMs }, () =>
      world.kafka.txnLog.open({ ...options, deadlineMs: never }),
    )
    return new RemoteSession(world, process, session)
  },
  close: async () => undefined,
})

const readerOf = (world: World, process: Process): PartitionReader => {
  const { reader } = world.kafka
  const places = (at: readonly { readonly topic: string; readonly partition: number }[]) =>
    at.map(({ topic, partition }) => `${topic}/${partition}`).join(' ')
  const fetch: PartitionReader['fetch'] = async (requests, { deadlineMs }) => {
    const groups = world.fetchesApart ? requests.map((request) => [request]) : [requests]
    const answers = groups.map((group) =>
      ask(
        world,
        process,
        { name: 'fetch', about: () => group.map((it) => `${it.topic}/${it.partition}@${it.offset}`).join(' '), deadlineMs },
        () => reader.fetch(group, { waitMs: 0, deadlineMs: never }),
      ),
    )
    return (await Promise.all(answers)).flat()
  }
  // of the log of a task, which its owner promises to notice
  const isLog = ({ topic }: { readonly topic: string }): boolean => topic.endsWith('-commits') || topic.endsWith('-changelog')
  const boundsNow = async (asking: Process, partitions: Parameters<PartitionReader['bounds']>[0]): Promise<readonly Bounds[]> => {
    const isStale = world.isStale && asking.subTopology !== ''
    const answers = await reader.bounds(partitions, never)
    return answers.map((at) => (isStale && isLog(at) ? { ...at, highWatermark: world.oldEnd(at.highWatermark) } : at))
  }
  const isNew = (answers: readonly FetchedPartition[], requests: Parameters<PartitionReader['fetch']>[0]): boolean =>
    answers.some(({ nextOffset }, at) => nextOffset > (requests[at]?.offset ?? 0))
  return {
    bounds: (partitions, deadlineMs) =>
      ask(world, process, { name: 'bounds', about: () => places(partitions), deadlineMs }, () => boundsNow(process, partitions)),
    fetch: async (requests, options) => {
      const answers = await fetch(requests, options)
      if (options.waitMs <= 0 || requests.length === 0 || isNew(answers, requests)) return answers
      await world.wait(process, Math.min(options.waitMs, Math.max(0, options.deadlineMs - process.nowMs())))
      return fetch(requests, options)
    },
    close: async () => undefined,
  }
}

const tableOf = (world: World, process: Process): TableBackend => {
  const { table, auditor } = world
  const send = <T>(name: PortCall, deadlineMs: number, about: () => string, apply: () => Promise<T>): Promise<T> =>
    ask(world, process, { name, about, deadlineMs }, apply)
  return {
    ...table,
    acquire: (task, lease, deadlineMs) =>
      send(
        'acquire',
        deadlineMs,
        () => `${task.partition} ${lease.token} ${lease.source}${lease.steal ? ' may steal' : ''}`,
        async () => {
          const answer = await table.acquire(task, lease, never)
          await auditor.itemWritten(task)
          return answer
        },
      ),
    ring: (task, bell, deadlineMs) =>
      send(
        'ring',
        deadlineMs,
        () => `${bell.token} ${bell.topic} up to ${bell.target}`,
        async () => {
          const answer = await table.ring(task, bell, never)
          await auditor.itemWritten(task, answer === 'rung' ? 'ring' : undefined)
          return answer
        },
      ),
    release: (task, request, deadlineMs) =>
      send(
        'release',
        deadlineMs,
        () => `${request.token} seq ${request.checkpoint?.seq}${request.handover ? ' handover' : ''}`,
        async () => {
          const answer = await table.release(task, request, never)
          await auditor.itemWritten(task, answer.released && !request.handover ? 'release' : undefined)
          return answer
        },
      ),
    checkpoint: (task, checkpoint, deadlineMs) =>
      send(
        'checkpoint',
        deadlineMs,
        () => `seq ${checkpoint.seq}`,
        async () => {
          await table.checkpoint(task, checkpoint, never)
          await auditor.itemWritten(task)
        },
      ),
    put: async (rows, deadlineMs) => {
      const requests: Promise<void>[] = []
      for (let at = 0; at < rows.length; at += world.rowsPerPut) {
        const some = rows.slice(at, at + world.rowsPerPut)
        const about = () => some.map((row) => `${row.store}[${Buffer.from(row.key).toString('latin1')}] seq ${row.seq}`).join(' ')
        requests.push(
          send('put', deadlineMs, about, async () => {
            await table.put(some, never)
            for (const row of some) await auditor.rowWritten(row)
          }),
        )
      }
      await Promise.all(requests)
    },
    readTask: (task, deadlineMs) =>
      send(
        'get',
        deadlineMs,
        () => 'task item',
        () => table.readTask(task, never),
      ),
    get: async (keys, deadlineMs) => {
      // one request reads its rows one by one, as a real table does
      const groups = world.fetchesApart ? readApart(keys) : [keys]
      const answers = groups.map((group) =>
        send(
          'get',
          deadlineMs,
          () => `${group[0]?.store} x${group.length}`,
          () => table.get(group, never),
        ),
      )
      return (await Promise.all(answers)).flat()
    },
    wipe: (space, deadlineMs) =>
      send(
        'wipe',
        deadlineMs,
        () => `${space.store} of generation ${space.gen}`,
        () => table.wipe(space, never),
      ),
    query: async function* (range, deadlineMs) {
      const { from } = range
      let rest: Pick<StateRange, 'from'> | undefined = from === undefined ? {} : { from }
      while (rest) {
        const asked = { ...range, ...rest }
        const rows = await send(
          'query',
          deadlineMs,
          () => range.store,
          async () => {
            const found: StateRow[] = []
            for await (const page of table.query(asked, never)) found.push(...page)
            return found
          },
        )
        // pages of rows come a few at a time, and may change in between
        const some: readonly StateRow[] = world.fetchesApart && isPage(range) ? rows.slice(0, rowsPerQuery) : rows
        if (some.length > 0) yield some
        const last = some.at(-1)
        rest = last && some.length < rows.length ? { from: Buffer.concat([last.key, Buffer.of(0)]) } : undefined
      }
    },
  }
}

const adminOf = (world: World, process: Process): TopicAdmin => {
  const { admin } = world.kafka
  const send = <T>(what: string, deadlineMs: number, apply: () => Promise<T>): Promise<T> =>
    ask(world, process, { name: 'admin', about: () => what, deadlineMs }, apply)
  return {
    ...admin,
    describe: (topics, deadlineMs) => send('describe', deadlineMs, () => admin.describe(topics, never)),
    create: (topics, deadlineMs) => send(`create ${topics.length}`, deadlineMs, () => admin.create(topics, never)),
    deleteRecords: (below, deadlineMs) =>
      send(`delete ${below.map(({ topic, partition, offset }) => `${topic}/${partition}@${offset}`).join(' ')}`, deadlineMs, async () => {
        await admin.deleteRecords(below, never)
        for (const at of below) world.auditor.logs.purged(at)
      }),
  }
}

/** The ports of one process: every call is a request, whose way there and back the scheduler decides. */
export const remotePorts = (world: World, process: Process) => ({
  txnLog: txnLogOf(world, process),
  reader: readerOf(world, process),
  admin: adminOf(world, process),
  table: tableOf(world, process),
})

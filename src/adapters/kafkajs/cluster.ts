import { setTimeout as delay } from 'node:timers/promises'
import type { ApiVersions } from 'kafkajs/src/broker/index.js'
import { StreamsError } from '../../errors.ts'
import type { TopicPartition } from '../../runtime/ports.ts'
import { type Api, type BrokerAddress, type CoordinatorType, findCoordinator, metadata, type TopicMetadata } from './apis.ts'
import { isCoordinatorBusy, isLeaderMoved, requestError } from './broker-errors.ts'
import { addressText, type Connection, connect, type Security, timerMsMax, Unanswered } from './connection.ts'

const idleMsMax = 20_000
const handshakeMsMax = 2_000
/** A restarting broker accepts connections long before it answers. */
const lookupMsMax = 1_000
/** How long look-ups go round all brokers before nobody is called reachable. */
const lookupPatienceMs = 3_000
/** A topic that was just created is not known to every broker at once. */
const missingTopicPatienceMs = 300
const busyRequests = 4
const connectionsPerBroker = 4

interface Slot {
  readonly ready: Promise<Connection>
  connection: Connection | undefined
  readonly waiting: boolean
  load: number
}

/** Deadline of a step that may take at most `ms`. */
export const within = (deadlineMs: number, ms: number): number => Math.min(deadlineMs, Date.now() + ms)

/** 5 to 50 ms, or 1 to 20 while the markers of the last transaction are on their way. */
export const backOff = (attempt: number, concurrentTransactions = false): Promise<void> =>
  delay(concurrentTransactions ? Math.min(2 ** attempt, 20) : Math.min(5 * 2 ** attempt, 50))

/** DEADLINE_EXCEEDED once the deadline has passed. */
export const assertInTime = (deadlineMs: number, what: string): void => {
  if (Date.now() > deadlineMs) throw new StreamsError('DEADLINE_EXCEEDED', `${what}: no time was left for it`)
}

/** What sessions, readers and administration share: sockets, leaders and coordinators. Opens nothing before the first request. */
export class Cluster {
  readonly #security: Security
  readonly #bootstrap: readonly BrokerAddress[]
  readonly #slots = new Map<string, Slot[]>()
  readonly #versions = new Map<string, ApiVersions>()
  readonly #leaders = new Map<string, BrokerAddress>()
  readonly #coordinators = new Map<string, BrokerAddress>()
  #brokers: readonly BrokerAddress[] = []
  #closed = false
  #lastGood: BrokerAddress | undefined

  constructor(bootstrap: readonly BrokerAddress[], security: Security) {
    this.#bootstrap = bootstrap
    this.#security = security
  }

  /** Sends one request to one broker. A waiting fetch gets a socket of its own: a broker answers a socket's requests one after the other. */
  async send<Q, A>(to: BrokerAddress, api: Api<Q, A>, request: Q, deadlineMs: number, waiting = false): Promise<A> {
    if (this.#closed) throw new StreamsError('BROKER_UNREACHABLE', `the connection to ${addressText(to)} was closed by this process`)
    const slot = this.#slotFor(to, waiting)
    slot.load += 1
    try {
      const connection =
        slot.connection ?? (await before(slot.ready, deadlineMs, `the connection to ${addressText(to)} was not open in time`))
      return await connection.send(api, request, deadlineMs)
    } finally {
      slot.load -= 1
    }
  }

  /** Sends a request that any broker can answer: to the last good one first, then round all that are known. */
  async ask<Q, A>(api: Api<Q, A>, request: Q, deadlineMs: number, askMsMax = lookupMsMax): Promise<A> {
    const patienceMs = within(deadlineMs, Math.max(lookupPatienceMs, askMsMax))
    const failures = new Map<string, string>()
    do {
      for (const broker of this.#candidates()) {
        const open = this.#slots.get(addressText(broker))?.some(({ connection }) => connection?.usable(idleMsMax))
        try {
          const answer = await this.send(broker, api, request, within(deadlineMs, open ? askMsMax : askMsMax + handshakeMsMax))
          this.#lastGood = broker
          return answer
        } catch (error) {
          if (!(error instanceof Unanswered)) throw error
          failures.set(addressText(broker), error.message)
          this.#lastGood = undefined
        }
      }
      await delay(100)
    } while (Date.now() < patienceMs)
    throw new StreamsError('BROKER_UNREACHABLE', `no broker answers ${api.name}: ${[...failures.values()].join('; ')}`)
  }

  /** The brokers that lead these partitions, in request order, from memory where they are known. TOPIC_MISSING where there is no such partition. */
  async leadersOf(partitions: readonly TopicPartition[], deadlineMs: number): Promise<readonly BrokerAddress[]> {
    const startMs = Date.now()
    for (let attempt = 0; ; attempt++) {
      const unknown = partitions.filter((at) => !this.#leaders.has(keyOf(at)))
      if (unknown.length === 0) return partitions.flatMap((at) => this.#leaders.get(keyOf(at)) ?? [])
      const topics = await this.describe([...new Set(unknown.map(({ topic }) => topic))], deadlineMs)
      for (const at of unknown) {
        const missing = this.#leaders.has(keyOf(at)) ? null : missingFrom(topics, at)
        if (missing !== null && Date.now() - startMs > missingTopicPatienceMs) throw missing
      }
      if (unknown.some((at) => !this.#leaders.has(keyOf(at)))) await backOff(attempt)
      assertInTime(deadlineMs, `looking for the leaders of ${[...new Set(unknown.map(({ topic }) => topic))].join(', ')}`)
    }
  }

  /** Metadata of these topics, or of all; their leaders are remembered. */
  async describe(topics: readonly string[] | null, deadlineMs: number): Promise<readonly TopicMetadata[]> {
    const answer = await this.ask(metadata, { topics }, deadlineMs)
    const byId = new Map(answer.brokers.map(({ id, host, port }) => [id, { host, port }]))
    this.#brokers = [...byId.values()]
    for (const { topic, partitions } of answer.topics) {
      for (const { partition, leader } of partitions) {
        const broker = byId.get(leader)
        if (broker === undefined) this.#leaders.delete(keyOf({ topic, partition }))
        else this.#leaders.set(keyOf({ topic, partition }), broker)
      }
    }
    return answer.topics
  }

  /** Whether every broker met so far speaks this version. */
  speaks(api: Pick<Api<never, unknown>, 'key'>, version: number): boolean {
    return [...this.#versions.values()].every((versions) => (versions[api.key]?.maxVersion ?? 0) >= version)
  }

  forgetLeader(at: TopicPartition): void {
    this.#leaders.delete(keyOf(at))
  }

  async coordinatorOf(type: CoordinatorType, key: string, deadlineMs: number): Promise<BrokerAddress> {
    const known = this.#coordinators.get(`${type}/${key}`)
    if (known !== undefined) return known
    for (let attempt = 0; ; attempt++) {
      const { error, message, host, port } = await this.ask(findCoordinator, { type, key }, deadlineMs)
      if (error === 0) {
        this.#coordinators.set(`${type}/${key}`, { host, port })
        return { host, port }
      }
      if (!isCoordinatorBusy(error)) throw requestError(error, `looking for the coordinator of ${key}`, message)
      await backOff(attempt)
      assertInTime(deadlineMs, `looking for the coordinator of ${key}`)
    }
  }

  forgetCoordinator(type: CoordinatorType, key: string): void {
    this.#coordinators.delete(`${type}/${key}`)
  }

  /** Destroys the sockets that nobody uses; or all of them, for good: what still waits is not sent again, so the process can end. */
  close(what: 'idle' | 'all'): void {
    this.#closed ||= what === 'all'
    for (const [key, slots] of this.#slots) {
      const kept = slots.filter((slot) => what === 'idle' && slot.load > 0)
      this.#slots.set(key, kept)
      for (const slot of slots) if (!kept.includes(slot)) slot.ready.then((connection) => connection.destroy('closed'), ignore)
    }
  }

  #candidates(): readonly BrokerAddress[] {
    const all = [...(this.#lastGood === undefined ? [] : [this.#lastGood]), ...this.#brokers, ...this.#bootstrap]
    return [...new Map(all.map((broker) => [addressText(broker), broker])).values()]
  }

  #slotFor(to: BrokerAddress, waiting: boolean): Slot {
    const key = addressText(to)
    const usable = (this.#slots.get(key) ?? []).filter((slot) => slot.connection === undefined || slot.connection.usable(idleMsMax))
    const fitting = usable.filter((slot) => slot.waiting === waiting).sort((a, b) => a.load - b.load)
    const [idlest] = fitting
    const enough = waiting ? idlest?.load === 0 : (idlest?.load ?? busyRequests) < busyRequests || fitting.length >= connectionsPerBroker
    if (idlest !== undefined && enough) {
      this.#slots.set(key, usable)
      return idlest
    }
    const slot = this.#open(to, waiting)
    this.#slots.set(key, [...usable, slot])
    return slot
  }

  #open(to: BrokerAddress, waiting: boolean): Slot {
    const key = addressText(to)
    const ready = connect(to, this.#security, this.#versions.get(key) ?? null, handshakeMsMax)
    const slot: Slot = { ready, connection: undefined, waiting, load: 0 }
    ready.then(
      (connection) => {
        slot.connection = connection
        this.#versions.set(key, connection.versions)
      },
      () => {
        this.#versions.delete(key)
        const others = (this.#slots.get(key) ?? []).filter((other) => other !== slot)
        this.#slots.set(key, others)
      },
    )
    return slot
  }
}

/** What a coordinator is asked through. */
export type Coordinators = Pick<Cluster, 'coordinatorOf' | 'forgetCoordinator' | 'send'>
/** What records are written through. */
export type Leaders = Pick<Cluster, 'leadersOf' | 'forgetLeader' | 'send'>

const ignore = () => {}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

const missingFrom = (topics: readonly TopicMetadata[], at: TopicPartition): StreamsError | null => {
  const described = topics.find(({ topic }) => topic === at.topic)
  if (described === undefined || described.error === 3) return new StreamsError('TOPIC_MISSING', `topic ${at.topic} does not exist`)
  if (described.error !== 0) return isLeaderMoved(described.error) ? null : requestError(described.error, `looking for topic ${at.topic}`)
  if (described.partitions.some(({ partition }) => partition === at.partition)) return null
  return new StreamsError(
    'TOPIC_MISSING',
    `topic ${at.topic} has ${described.partitions.length} partitions, not a partition ${at.partition}`,
  )
}

/** The promise's result, or Unanswered at the deadline. */
const before = async <T>(promise: Promise<T>, deadlineMs: number, late: string): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unanswered(false, late)), Math.min(Math.max(0, deadlineMs - Date.now()), timerMsMax))
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}

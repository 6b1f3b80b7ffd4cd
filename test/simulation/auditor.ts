import { type CommitRecord, changelogStamp, readCommitRecord, withoutStamp } from '../../src/runtime/commit-record.ts'
import type { Trigger } from '../../src/runtime/invocation-request.ts'
import { readStoreRows } from '../../src/runtime/pages.ts'
import type { Appended, PartitionBatch, TxnSession } from '../../src/runtime/ports.ts'
import type { ResetTo } from '../../src/runtime/reset-plan.ts'
import type { Snapshot } from '../../src/runtime/snapshot.ts'
import type { StateRow, TableBackend, TaskId, TaskItem } from '../../src/state/backend.ts'
import { type AppendedBatch, type Audited, type AuditorOptions, changeCode, checkReset, idOf, positionsOf, referenceOf } from './audited.ts'
import { isPage, pagesOf, topicOf, wrongInPages, wrongPage } from './audited-pages.ts'
import { planOf, type SimulatedTask } from './process.ts'
import { contentOf, lineOf, printable, sorted, text } from './words.ts'
import { WrittenLogs } from './written-logs.ts'

export type Invariant = 'S1' | 'S2' | 'S3' | 'L1' | 'L2' | 'Q'

export interface Violation {
  readonly invariant: Invariant
  readonly message: string
}

const everything = Number.MAX_SAFE_INTEGER

/**
 * Sees every request in the moment in which it takes effect, and holds the log and the table against a task that nothing ever
 * happens to: it takes the input that each committed transaction says to have taken, in one life, all its rows in memory.
 */
export class Auditor {
  violation: Violation | undefined
  commits = 0
  /** The newest version of the code that runs anywhere. */
  deployed = 0
  /** What the last reset was told. */
  resetTo: ResetTo['kind'] = 'earliest'
  readonly logs: WrittenLogs
  readonly #table: TableBackend
  readonly #tasks = new Map<string, Audited>()
  readonly #byCommitTopic = new Map<string, Audited>()
  readonly #open = new Map<TxnSession, AppendedBatch[]>()
  readonly #options: AuditorOptions

  constructor(options: AuditorOptions) {
    this.#options = options
    this.#table = options.table
    this.logs = new WrittenLogs(options.kafka)
    for (const task of options.tasks) {
      const plan = planOf(task, 0)
      const audited: Audited = {
        ...{
          task,
          version: 0,
          plan,
          newest: { version: 0, atMs: 0 },
          reference: referenceOf(options, { plan, partition: task.partition }),
        },
        ...{ commits: [], keys: new Map(), begins: [], acknowledged: new Map(), item: undefined },
      }
      this.#tasks.set(`${task.subTopology}/${task.partition}`, audited)
      this.#byCommitTopic.set(`${plan.commitTopic}/${task.partition}`, audited)
    }
  }

  fail(invariant: Invariant, message: string): undefined {
    this.violation ??= { invariant, message }
  }

  itemOf(task: SimulatedTask): TaskItem | undefined {
    return this.#of(task).item
  }

  /** Whether other code than this version has ever committed. */
  hasOther(task: SimulatedTask, version: number): boolean {
    return this.#of(task).commits.some(({ topology }) => topology !== planOf(task, version).fingerprint)
  }

  seqOf(task: SimulatedTask): number {
    return this.#of(task).commits.at(-1)?.seq ?? 0
  }

  appended(session: TxnSession, batch: PartitionBatch, at: Appended): void {
    const batches = this.#open.get(session)
    if (batches) batches.push({ batch, at })
    else this.#open.set(session, [{ batch, at }])
  }

  hasAppended(session: TxnSession): boolean {
    return this.#open.has(session)
  }

  /** EndTxn took effect. */
  async ended(session: TxnSession, committed: boolean): Promise<void> {
    const batches = this.#open.get(session) ?? []
    this.#open.delete(session)
    if (!committed || batches.length === 0) return
    this.commits++
    for (const { batch, at } of batches) this.logs.add(batch, at.baseOffset)
    const progress = batches.filter(({ at }) => this.#byCommitTopic.has(`${at.topic}/${at.partition}`))
    const [only] = progress
    const audited = only && this.#byCommitTopic.get(`${only.at.topic}/${only.at.partition}`)
    const [record] = only?.batch.records ?? []
    if (!audited || !record || progress.length > 1)
      return this.fail('S1', `a transaction of ${batches.map(({ at }) => at.topic).join(', ')} has no commit record of its own`)
    await this.#committed(audited, readCommitRecord(record.value, 'the commit topic'), batches)
  }

  async #committed(audited: Audited, commit: CommitRecord, batches: readonly AppendedBatch[]): Promise<void> {
    const { name } = audited.task
    const last = audited.commits.at(-1)
    if (commit.seq !== (last?.seq ?? 0) + 1) return this.fail('S1', `${name}: transaction ${commit.seq} follows ${last?.seq ?? 0}`)
    if (commit.gen < (last?.gen ?? 0)) return this.fail('S1', `${name}: generation ${commit.gen} follows ${last?.gen}`)
    const wrong = changeCode(audited, commit, { ...this.#options, deployed: this.deployed })
    if (wrong) return this.fail('S1', wrong)
    const isReset = commit.paused || last?.paused === true || commit.gen !== (last?.gen ?? 0)
    const input = isReset ? [] : this.#inputOf(audited, positionsOf(last), commit.positions)
    if (!input) return
    const broken = isReset && checkReset(audited, commit, { ...this.#options, batches: batches.length, logs: this.logs, to: this.resetTo })
    if (broken) return this.fail('S1', broken)
    audited.commits.push(commit)
    audited.begins.push({ seq: commit.seq, offsets: new Map(batches.map(({ at }) => [at.topic, at.baseOffset])) })
    if (isReset) return
    const { plan } = audited
    for (const { topic, records } of input) audited.reference.add(topic, records)
    await audited.reference.process()
    const effects = await audited.reference.commit()
    const found = new Map<string, readonly string[]>()
    for (const { batch } of batches) {
      const name = `${batch.topic}/${batch.partition}`
      const isChangelog = [...plan.changelogs.values()].includes(batch.topic)
      for (const { headers } of isChangelog ? batch.records : []) {
        const stamp = changelogStamp(headers)
        if (stamp?.seq !== commit.seq || stamp.gen !== commit.gen)
          this.fail('S1', `${name} has a record of ${stamp?.seq} in transaction ${commit.seq}`)
      }
      const lines = batch.records.map((record) => lineOf(isChangelog ? { ...withoutStamp(record), key: record.key } : record))
      if (batch.topic !== plan.commitTopic) found.set(name, [...(found.get(name) ?? []), ...lines])
    }
    const expected = new Map<string, readonly string[]>()
    for (const { topic, partition, records } of effects.outputs) expected.set(`${topic}/${partition}`, records.map(lineOf))
    for (const { store, rows, log = rows } of effects.changes) {
      const topic = plan.changelogs.get(store)
      if (topic !== undefined && log.length > 0) expected.set(`${topic}/${audited.task.partition}`, log.map(lineOf))
      for (const row of rows) {
        const id = idOf(commit.gen, store, row.key)
        const history = audited.keys.get(id) ?? { gen: commit.gen, store, key: row.key, row, latest: 0, bySeq: new Map() }
        audited.keys.set(id, history)
        history.latest = commit.seq
        history.row = row
        history.bySeq.set(commit.seq, contentOf(row))
      }
    }
    for (const at of new Set([...found.keys(), ...expected.keys()])) {
      const [is, should] = [found.get(at) ?? [], expected.get(at) ?? []]
      if (is.join('\n') !== should.join('\n'))
        this.fail(
          'S1',
          `${name}: transaction ${commit.seq} wrote [${is.map(printable).join(' ')}] to ${at}; without faults: [${should.map(printable).join(' ')}]`,
        )
    }
    if (sorted(commit.times) !== sorted(effects.times))
      this.fail('S1', `${name}: transaction ${commit.seq} has times ${sorted(commit.times)}; without faults: ${sorted(effects.times)}`)
  }

  /** What a transaction has taken of each source; undefined after a violation. */
  #inputOf({ task: { name, partition }, plan }: Audited, from: Readonly<Record<string, number>>, to: Readonly<Record<string, number>>) {
    const input = []
    for (const topic of plan.sources.keys()) {
      const [begin, end] = [from[topic] ?? 0, to[topic] ?? 0]
      if (end < begin) return this.fail('S1', `${name}: the position of ${topic} falls from ${begin} to ${end}`)
      const answer = this.logs.read({ topic, partition }, begin)
      // a reset to the latest records leaves out those of open transactions
      if (end > begin && end > answer.lastStableOffset)
        return this.fail('S1', `${name}: the position of ${topic} is ${end}, of which ${answer.lastStableOffset} can be read`)
      input.push({ topic, records: answer.records.filter(({ offset }) => offset < end) })
    }
    return input
  }

  async rowWritten(row: StateRow): Promise<void> {
    const audited = this.#of(row)
    const { name } = audited.task
    if (isPage(row)) {
      const wrong = wrongPage(audited, row)
      if (wrong) return this.fail('S2', `${name}: ${wrong}`)
      for (const id of audited.keys.keys()) await this.#checkKey(audited, id)
      return
    }
    const id = idOf(row.gen, row.store, row.key)
    const seq = audited.commits.at(-1)?.seq ?? 0
    if (row.seq > seq) return this.fail('S2', `${name}: a row of transaction ${row.seq} is written, committed are ${seq}`)
    const should = audited.keys.get(id)?.bySeq.get(row.seq)
    if (should !== contentOf(row))
      return this.fail(
        'S2',
        `${name}: ${printable(id)} is written as ${printable(contentOf(row))}; transaction ${row.seq} made it ${printable(`${should}`)}`,
      )
    await this.#checkKey(audited, id)
  }

  /** Up to the checkpoint nobody looks at the log any more: the table alone must say what the log says. */
  async #checkKey(audited: Audited, id: string): Promise<void> {
    const history = audited.keys.get(id)
    const { checkpoint } = audited.item ?? {}
    if (!history || history.latest > (checkpoint?.seq ?? 0) || history.gen !== (checkpoint?.gen ?? 0)) return
    const { subTopology, partition, name } = audited.task
    // code without the store does not write it, and does not name its changelog
    const changelog = audited.plan.changelogs.get(history.store)
    if (changelog === undefined || checkpoint === undefined) return
    if (checkpoint.ends[pagesOf(changelog)] !== undefined) {
      const wrong = await wrongInPages(audited, history, { table: this.#table, seq: checkpoint.seq })
      if (wrong) this.fail('S2', `${name}: ${wrong}`)
    }
    if (checkpoint.ends[changelog] === undefined) return
    const where = { subTopology, partition, gen: history.gen, store: history.store, key: history.key }
    const [row] = await this.#table.get([where], everything)
    const should = history.bySeq.get(history.latest)
    const is = row === undefined ? 'null' : contentOf(row)
    if (is === should && (row === undefined || row.seq === history.latest)) return
    const what = `${name}: ${printable(id)} is ${printable(is)} of ${row?.seq}; transaction ${history.latest} made it ${printable(`${should}`)}, the checkpoint is at ${checkpoint?.seq}`
    this.fail(should === 'null' && is !== 'null' ? 'S3' : 'S2', what)
  }

  /** A task item may have changed. */
  async itemWritten(id: TaskId, why?: 'ring' | 'release'): Promise<void> {
    const audited = this.#of(id)
    const before = audited.item
    const item = await this.#table.readTask(id, everything)
    audited.item = item
    const { name } = audited.task
    if (!item) return
    if (why === 'ring' && !item.lease) this.fail('L1', `${name}: a bell was rung at nobody`)
    for (const [topic, bell] of Object.entries(before?.bells ?? {}))
      if ((item.bells[topic] ?? -1) < bell) this.fail('L1', `${name}: the bell of ${topic} falls from ${bell} to ${item.bells[topic]}`)
    if (why === 'release' && before?.lease && !item.lease)
      for (const [topic, bell] of Object.entries(item.bells).filter(([topic]) => this.#isRead(audited, topic)))
        this.#checkBell(audited, topic, bell)
    if (item.checkpoint && item.checkpoint !== before?.checkpoint) await this.#checkpointed(audited, before?.checkpoint?.seq ?? 0)
    for (const topic of audited.acknowledged.keys()) this.#checkPromise(audited, topic)
  }

  /** A lease goes where the bell is answered, in the checkpoint or in a commit that is not flushed yet; behind that there may be aborted records. */
  #checkBell({ item, task, commits }: Audited, topic: string, bell: number): void {
    const { checkpoint, deferredSeq = 0 } = item ?? {}
    const isDeferred = deferredSeq > (checkpoint?.seq ?? 0)
    const position = isDeferred ? (positionsOf(commits[deferredSeq - 1])[topic] ?? 0) : (checkpoint?.positions[topic] ?? 0)
    if (isDeferred ? this.logs.hasBetween({ topic, partition: task.partition }, position, bell) : position < bell)
      this.fail('L1', `${task.name}: released at ${position} of ${topic}, while a bell at ${bell} stands`)
  }

  async #checkpointed(audited: Audited, before: number): Promise<void> {
    const checkpoint = audited.item?.checkpoint
    if (!checkpoint) return
    const { plan, task } = audited
    const { name, partition } = task
    const committed = audited.commits.at(-1)?.seq ?? 0
    if (checkpoint.seq < before) return this.fail('S2', `${name}: the checkpoint falls from ${before} to ${checkpoint.seq}`)
    if (checkpoint.seq > committed) return this.fail('S2', `${name}: the checkpoint is at ${checkpoint.seq}, committed are ${committed}`)
    if (checkpoint.seq > before) for (const id of audited.keys.keys()) await this.#checkKey(audited, id)
    for (const { seq, offsets } of audited.begins) {
      if (seq <= checkpoint.seq) continue
      for (const [topic, end] of Object.entries(checkpoint.ends))
        if ((offsets.get(topicOf(topic)) ?? end) < end)
          this.fail('S2', `${name}: the checkpoint of ${checkpoint.seq} is behind transaction ${seq} in ${topic}`)
    }
    const commit = audited.commits[checkpoint.seq - 1]
    if (checkpoint.seq > 0 && commit?.gen !== checkpoint.gen)
      this.fail('S2', `${name}: the checkpoint of ${checkpoint.seq} is of generation ${checkpoint.gen}, the commit of ${commit?.gen}`)
    for (const topic of plan.sources.keys()) {
      const [is, was] = [checkpoint.positions[topic] ?? 0, positionsOf(commit)[topic] ?? 0]
      if (is < was && this.#isRead(audited, topic))
        this.fail('S1', `${name}: the checkpoint of ${checkpoint.seq} has ${topic} at ${is}, its commit at ${was}`)
      if (this.logs.hasBetween({ topic, partition }, was, is))
        this.fail(
          'S1',
          `${name}: the checkpoint of ${checkpoint.seq} has ${topic} at ${is}, but its commit only took what is before ${was}`,
        )
    }
  }

  /** Some rows that were written lately, in stores that this code has. */
  keysOf(task: SimulatedTask, version: number): readonly { readonly store: string; readonly key: Uint8Array }[] {
    const { stores } = planOf(task, version)
    const own = [...this.#of(task).keys.values()].filter(({ store }) => stores.some(({ name }) => name === store))
    return own.slice(-5).map(({ store, key }) => ({ store, key }))
  }

  /** Q: what a query answers is what one transaction left. */
  queried(task: SimulatedTask, keys: ReturnType<Auditor['keysOf']>, { seq, gen, rows }: Snapshot): void {
    const audited = this.#of(task)
    const { name } = task
    if (gen !== (audited.commits[seq - 1]?.gen ?? 0)) this.fail('Q', `${name}: a query of transaction ${seq} is of generation ${gen}`)
    if (seq > (audited.commits.at(-1)?.seq ?? 0)) this.fail('Q', `${name}: a query is of transaction ${seq}, which is not committed`)
    for (const [at, { store, key }] of keys.entries()) {
      const history = [...(audited.keys.get(idOf(gen, store, key))?.bySeq ?? [])].filter(([changed]) => changed <= seq)
      const should = history.at(-1)?.[1] ?? 'null'
      const row = rows[at]
      const is = row ? contentOf(row) : 'null'
      if (is !== should)
        this.fail(
          'Q',
          `${name}: a query of transaction ${seq} has ${printable(is)} for ${printable(`${store}/${text(key)}`)}, not ${printable(should)}`,
        )
    }
  }

  /** The invocation of a delivery said that everything below its target is done. */
  acknowledged(task: SimulatedTask, trigger: Trigger): void {
    if (trigger.kind === 'tick') return
    const audited = this.#of(task)
    audited.acknowledged.set(trigger.topic, Math.max(audited.acknowledged.get(trigger.topic) ?? 0, trigger.target))
    this.#checkPromise(audited, trigger.topic)
  }

  /** L1: what was acknowledged is processed or promised, but for aborted records, which nobody will ever read. */
  #checkPromise(audited: Audited, topic: string): void {
    const acknowledged = audited.acknowledged.get(topic) ?? 0
    const { item, commits, task } = audited
    if (!this.#isRead(audited, topic)) return
    const { checkpoint } = item ?? {}
    const last = commits.at(-1)
    // before a reset it was further on
    const checkpointed = checkpoint?.gen === (last?.gen ?? 0) ? checkpoint.positions[topic] : undefined
    const position = Math.max(checkpointed ?? 0, positionsOf(last)[topic] ?? 0)
    const promised = Math.max(position, item?.bells[topic] ?? 0)
    if (this.logs.hasBetween({ topic, partition: task.partition }, promised, acknowledged))
      this.fail('L1', `${task.name}: ${topic} up to ${acknowledged} was acknowledged, but only ${promised} is processed or promised`)
  }

  /** Whether all code that may be at work reads it: code that does not leaves bells to the sweeper. */
  #isRead({ task }: Audited, topic: string): boolean {
    return task.plans.slice(0, this.deployed + 1).every(({ sources }) => sources.has(topic))
  }

  /** What somebody still has to come for. */
  leftToDo(): readonly string[] {
    return [...this.#tasks.values()].flatMap(({ task, item, commits }) => {
      const { name, partition } = task
      const { seq = 0, positions = {} } = item?.checkpoint ?? {}
      const committed = commits.at(-1)?.seq ?? 0
      const waiting = [...planOf(task, this.deployed).sources.keys()].filter(
        (topic) => !this.#isProcessed(topic, partition, positions[topic] ?? 0),
      )
      return [
        ...(item?.lease ? [`${name}: the lease of ${item.lease.token} is left`] : []),
        ...(seq === committed ? [] : [`${name}: the checkpoint is at ${seq}, committed are ${committed}`]),
        ...waiting.map((topic) => `${name}: ${topic} waits from ${positions[topic] ?? 0} on`),
      ]
    })
  }

  /** Whether a task item says that somebody has to come: a lease is left, a bell is not answered, or a transaction not flushed. */
  isTold(): boolean {
    return [...this.#tasks.values()].some(
      ({ task, item }) =>
        item?.lease !== undefined ||
        (item?.deferredSeq ?? 0) > (item?.checkpoint?.seq ?? 0) ||
        Object.entries(item?.bells ?? {}).some(
          ([topic, bell]) => planOf(task, this.deployed).sources.has(topic) && bell > (item?.checkpoint?.positions[topic] ?? 0),
        ),
    )
  }

  /** Nothing can be read from there on, nor will be: what may be left are aborted records and markers. */
  #isProcessed(topic: string, partition: number, position: number): boolean {
    const { records, lastStableOffset, highWatermark } = this.logs.read({ topic, partition }, position)
    return records.length === 0 && lastStableOffset === highWatermark
  }

  /** What must hold when nothing moves any more. */
  async atRest(): Promise<void> {
    for (const audited of this.#tasks.values()) {
      for (const id of audited.keys.keys()) await this.#checkKey(audited, id)
      await this.#checkNothingElse(audited)
    }
    const own = [...this.#tasks.values()].flatMap(({ task: { partition }, plan }) =>
      [plan.commitTopic, ...plan.changelogs.values()].map((topic) => ({ topic, partition })),
    )
    for (const difference of this.logs.differences(own)) this.fail('S1', difference)
  }

  async #checkNothingElse({ task: { name, partition }, plan, keys, item }: Audited): Promise<void> {
    const gen = item?.checkpoint?.gen ?? 0
    for (const store of plan.stores) {
      for await (const page of readStoreRows(this.#table, { subTopology: plan.subTopology, partition, gen, store }, everything))
        for (const { key } of page) {
          const history = keys.get(idOf(gen, store.name, key))
          if ((history?.bySeq.get(history.latest) ?? 'null') === 'null')
            this.fail('S2', `${name}: the table has ${store.name}/${text(key)}, the log has not`)
        }
    }
  }

  #of({ subTopology, partition }: TaskId): Audited {
    const audited = this.#tasks.get(`${subTopology}/${partition}`)
    if (!audited) throw new Error(`there is no task ${subTopology}/${partition}`)
    return audited
  }
}

import {
  type AttributeValue,
  ConditionalCheckFailedException,
  GetItemCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb'
import { invariant } from '../../invariant.ts'
import type { BellRequest, Checkpoint, LeaseRequest, ReleaseRequest, TaskId, TaskItem } from '../../state/backend.ts'
import type { Requests } from './requests.ts'

type Attributes = Record<string, AttributeValue>
type Update = Pick<
  UpdateItemCommandInput,
  'UpdateExpression' | 'ConditionExpression' | 'ExpressionAttributeNames' | 'ExpressionAttributeValues'
>

/**
 * The task item: `q` seq, `g` generation, `o` ends of the log, `p:<topic>` positions, `k` when to
 * wake it, `z` sizes of stores as of its `#`, `w` token, `s` source, `e` expiry of
 * the lease, `b:<topic>` bells, `d` seq that is committed and maybe not flushed. Every change is one conditional UpdateItem, so any of them may be repeated.
 */
export function createTaskItems(requests: Requests) {
  const keyOf = (task: TaskId): Attributes => ({ pk: { S: `${task.subTopology}/${task.partition}` }, sk: { B: Uint8Array.of(0x23) } })

  /** The item after the update, or, where the condition failed, the one that made it fail. */
  async function update(
    task: TaskId,
    change: Update,
    deadlineMs: number,
  ): Promise<{ readonly done: boolean; readonly item: Attributes | undefined }> {
    const command = () =>
      new UpdateItemCommand({
        TableName: requests.table,
        Key: keyOf(task),
        ...change,
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      })
    try {
      const { Attributes } = await requests.send('UpdateItem', (client, options) => client.send(command(), options), deadlineMs)
      return { done: true, item: Attributes }
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return { done: false, item: error.Item }
      throw error
    }
  }

  return {
    async read(task: TaskId, deadlineMs: number): Promise<TaskItem | undefined> {
      const command = () => new GetItemCommand({ TableName: requests.table, Key: keyOf(task), ConsistentRead: true })
      const { Item } = await requests.send('GetItem', (client, options) => client.send(command(), options), deadlineMs)
      return Item && itemOf(Item)
    },
    async acquire(task: TaskId, lease: LeaseRequest, deadlineMs: number) {
      const { done, item } = await update(task, acquireUpdate(lease), deadlineMs)
      invariant(item, `the task item of ${task.subTopology}/${task.partition} is there after an acquire`)
      return { won: done, item: itemOf(item) }
    },
    async ring(task: TaskId, bell: BellRequest, deadlineMs: number): Promise<'rung' | 'free'> {
      const { done, item } = await update(task, ringUpdate(bell), deadlineMs)
      const standing = item?.w !== undefined && item.w.S !== bell.token && Number(item[`b:${bell.topic}`]?.N ?? -1) >= bell.target
      return done || standing ? 'rung' : 'free'
    },
    async release(task: TaskId, request: ReleaseRequest, deadlineMs: number) {
      const seq = request.checkpoint?.seq
      let { done, item } = await update(task, releaseUpdate(request), deadlineMs)
      const { bell } = request.handover ?? {}
      if (!done && bell && item?.w?.S === request.token && Number(item[`b:${bell.topic}`]?.N ?? -1) > bell.target) {
        // The bell that stands is higher than the own target: it is kept, and the lease goes without a bell.
        ;({ done, item } = await update(task, releaseUpdate({ ...request, handover: {} }), deadlineMs))
      }
      const told = Math.max(Number(item?.q?.N ?? -1), request.deferred ? Number(item?.d?.N ?? -1) : -1)
      const repeated = item?.w === undefined && (seq === undefined || told >= seq)
      return { released: done || repeated, item: item && itemOf(item) }
    },
    async checkpoint(task: TaskId, checkpoint: Checkpoint, deadlineMs: number): Promise<void> {
      const write = createExpression()
      const sets = checkpointSets(write, checkpoint)
      const condition = 'attribute_not_exists(q) OR q < :q'
      await update(task, write.update({ UpdateExpression: `SET ${sets.join(', ')}`, ConditionExpression: condition }), deadlineMs)
    },
  }
}

function acquireUpdate({ token, source, expiresAtMs, nowMs, steal }: LeaseRequest): Update {
  return {
    UpdateExpression: 'SET w = :t, s = :s, e = :e',
    ConditionExpression: `attribute_not_exists(w) OR w = :t OR e < :now${steal ? ' OR s = :s' : ''}`,
    ExpressionAttributeValues: { ':t': { S: token }, ':s': { S: source }, ':e': { N: String(expiresAtMs) }, ':now': { N: String(nowMs) } },
  }
}

function ringUpdate({ token, topic, target }: BellRequest): Update {
  return {
    UpdateExpression: 'SET #b = :b',
    ConditionExpression: 'attribute_exists(w) AND w <> :t AND (attribute_not_exists(#b) OR #b < :b)',
    ExpressionAttributeNames: { '#b': `b:${topic}` },
    ExpressionAttributeValues: { ':t': { S: token }, ':b': { N: String(target) } },
  }
}

function releaseUpdate({ token, checkpoint, sources, handover, deferred }: ReleaseRequest): Update {
  const write = createExpression()
  const deferredSets = (seq: number): string[] => [`d = ${write.value(':q', { N: String(seq) })}`]
  const sets = checkpoint ? (deferred ? deferredSets(checkpoint.seq) : checkpointSets(write, checkpoint)) : []
  const conditions = [`w = ${write.value(':t', { S: token })}`]
  if (checkpoint) conditions.push('(attribute_not_exists(q) OR q <= :q)')
  for (const topic of handover ? [] : sources) {
    const bell = write.name(`b:${topic}`)
    // A position that this checkpoint does not write is compared as it stands in the item.
    const position = checkpoint?.positions[topic] === undefined ? write.name(`p:${topic}`) : write.number(checkpoint.positions[topic])
    conditions.push(`(attribute_not_exists(${bell}) OR ${bell} <= ${position})`)
  }
  if (handover?.bell) {
    const bell = write.name(`b:${handover.bell.topic}`)
    const target = write.number(handover.bell.target)
    sets.push(`${bell} = ${target}`)
    conditions.push(`(attribute_not_exists(${bell}) OR ${bell} <= ${target})`)
  }
  const UpdateExpression = `${sets.length > 0 ? `SET ${sets.join(', ')} ` : ''}REMOVE w, s, e`
  return write.update({ UpdateExpression, ConditionExpression: conditions.join(' AND ') })
}

function checkpointSets(write: ReturnType<typeof createExpression>, { seq, gen, ends, positions, wakeMs, sizes }: Checkpoint): string[] {
  const log = Object.entries(ends).map(([topic, offset]) => [topic, { N: String(offset) }] as const)
  return [
    `q = ${write.value(':q', { N: String(seq) })}`,
    `g = ${write.number(gen)}`,
    `o = ${write.value(':o', { M: Object.fromEntries(log) })}`,
    ...(wakeMs === undefined ? [] : [`k = ${write.number(wakeMs)}`]),
    ...(sizes === undefined ? [] : [`z = ${write.value(':z', { M: attributesOfSizes(seq, sizes) })}`]),
    ...Object.entries(positions).map(([topic, offset]) => `${write.name(`p:${topic}`)} = ${write.number(offset)}`),
  ]
}

/** Collects the placeholders of one expression: DynamoDB refuses unused ones, and names with `:` or `.` written out. */
function createExpression() {
  const names = new Map<string, string>()
  const values: Attributes = {}
  const value = (placeholder: string, attribute: AttributeValue): string => {
    values[placeholder] = attribute
    return placeholder
  }
  return {
    value,
    number: (number: number) => value(`:n${Object.keys(values).length}`, { N: String(number) }),
    name(attribute: string): string {
      const placeholder = names.get(attribute) ?? `#n${names.size}`
      names.set(attribute, placeholder)
      return placeholder
    },
    update: (expressions: Pick<Update, 'UpdateExpression' | 'ConditionExpression'>): Update => ({
      ...expressions,
      ...(names.size > 0 && {
        ExpressionAttributeNames: Object.fromEntries([...names].map(([attribute, placeholder]) => [placeholder, attribute])),
      }),
      ExpressionAttributeValues: values,
    }),
  }
}

const seqOfSizes = '#'

/** They count as long as the checkpoint is the one that they were written with: one without them does not take them away. */
const attributesOfSizes = (seq: number, sizes: NonNullable<Checkpoint['sizes']>): Attributes => ({
  [seqOfSizes]: { N: String(seq) },
  ...Object.fromEntries(
    Object.entries(sizes).map(([store, { rows, bytes, agedMs }]) => [
      store,
      { L: [rows, bytes, ...(agedMs === undefined ? [] : [agedMs])].map((number) => ({ N: String(number) })) },
    ]),
  ),
})

const sizesOf = (attributes: Attributes, seq: string | undefined): Pick<Checkpoint, 'sizes'> => {
  const { [seqOfSizes]: of, ...stores } = attributes.z?.M ?? {}
  if (of === undefined || of.N !== seq) return {}
  const sizes = Object.entries(stores).map(([store, { L = [] }]) => {
    const [rows = 0, bytes = 0, agedMs] = L.map(({ N }) => Number(N))
    return [store, { rows, bytes, ...(agedMs === undefined ? {} : { agedMs }) }] as const
  })
  return { sizes: Object.fromEntries(sizes) }
}

function itemOf(attributes: Attributes): TaskItem {
  const { q, g, o, k, w, s, e, d } = attributes
  const numbers = (prefix: string) =>
    Object.entries(attributes).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), Number(value.N)] as const] : [],
    )
  const ends = Object.entries(o?.M ?? {}).map(([topic, offset]) => [topic, Number(offset.N)] as const)
  return {
    checkpoint: q && {
      seq: Number(q.N),
      gen: Number(g?.N),
      ends: Object.fromEntries(ends),
      positions: Object.fromEntries(numbers('p:')),
      ...(k && { wakeMs: Number(k.N) }),
      ...sizesOf(attributes, q.N),
    },
    bells: Object.fromEntries(numbers('b:')),
    lease: w && { token: w.S ?? '', source: s?.S ?? '', expiresAtMs: Number(e?.N) },
    ...(d && { deferredSeq: Number(d.N) }),
  }
}

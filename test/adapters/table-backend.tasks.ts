import { describe, expect, it } from 'vitest'
import type { Checkpoint, LeaseRequest } from '../../src/state/backend.ts'
import { type Fixture, soon } from './table-backend.fixture.ts'

/** The conditions of the task item: lease, bells, release, handover, checkpoint. */
export function taskItemFacts(use: Fixture): void {
  describe('the lease', () => leaseFacts(use))
  describe('a bell', () => bellFacts(use))
  describe('a release', () => releaseFacts(use))
  describe('a deferred release', () => deferFacts(use))
  describe('a handover', () => handoverFacts(use))
  describe('a checkpoint', () => checkpointFacts(use))
}

const lease = (token: string, change: Partial<LeaseRequest> = {}): LeaseRequest => ({
  token,
  source: 'src:orders',
  expiresAtMs: 2_000,
  nowMs: 1_000,
  steal: false,
  ...change,
})
const held = (token: string, source = 'src:orders', expiresAtMs = 2_000) => ({ token, source, expiresAtMs })
const at = (seq: number, orders: number): Checkpoint => ({
  seq,
  gen: 0,
  ends: { commits: seq * 2, 'totals-changelog': 7 },
  positions: { orders },
})
const sources = ['orders']

function leaseFacts({ table, freshTask }: Fixture): void {
  it('is absent where the task never ran', async () => {
    expect(await table().readTask(freshTask(), soon())).toBeUndefined()
  })
  it('is won by the first', async () => {
    const task = freshTask()
    const item = { checkpoint: undefined, bells: {}, lease: held('a') }
    expect(await table().acquire(task, lease('a'), soon())).toEqual({ won: true, item })
    expect(await table().readTask(task, soon())).toEqual(item)
  })
  it('is kept from another until it expired', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const item = { checkpoint: undefined, bells: {}, lease: held('a') }
    expect(await table().acquire(task, lease('b', { source: 'tick', steal: true, nowMs: 2_000 }), soon())).toEqual({ won: false, item })
    const taken = { checkpoint: undefined, bells: {}, lease: held('b', 'tick', 9_000) }
    expect(await table().acquire(task, lease('b', { source: 'tick', nowMs: 2_001, expiresAtMs: 9_000 }), soon())).toEqual({
      won: true,
      item: taken,
    })
  })
  it('is won again with its own token', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const item = { checkpoint: undefined, bells: {}, lease: held('a', 'src:orders', 3_000) }
    expect(await table().acquire(task, lease('a', { expiresAtMs: 3_000 }), soon())).toEqual({ won: true, item })
  })
  it('is stolen from the same source only, and only by who may steal', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    expect((await table().acquire(task, lease('b'), soon())).won).toBe(false)
    expect((await table().acquire(task, lease('b', { source: 'src:payments', steal: true }), soon())).won).toBe(false)
    const item = { checkpoint: undefined, bells: {}, lease: held('b') }
    expect(await table().acquire(task, lease('b', { steal: true }), soon())).toEqual({ won: true, item })
  })
  it('is another one in another partition', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    expect((await table().acquire({ ...task, partition: 4 }, lease('b'), soon())).won).toBe(true)
  })
}

function bellFacts({ table, freshTask }: Fixture): void {
  const bell = (token: string, target: number) => ({ token, topic: 'orders', target })

  it('finds nobody where no item and no lease is, and writes nothing', async () => {
    const task = freshTask()
    expect(await table().ring(task, bell('b', 5), soon())).toBe('free')
    expect(await table().readTask(task, soon())).toBeUndefined()
    await table().checkpoint(task, at(1, 4), soon())
    expect(await table().ring(task, bell('b', 5), soon())).toBe('free')
    expect(await table().readTask(task, soon())).toEqual({ checkpoint: at(1, 4), bells: {}, lease: undefined })
  })
  it('does not ring at its own lease', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    expect(await table().ring(task, bell('a', 5), soon())).toBe('free')
    expect((await table().readTask(task, soon()))?.bells).toEqual({})
  })
  it('is raised at a holder, never lowered, and a higher one counts as rung', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const heard: unknown[] = []
    for (const target of [5, 9, 9, 7])
      heard.push(await table().ring(task, bell('b', target), soon()), (await table().readTask(task, soon()))?.bells)
    expect(heard).toEqual(['rung', { orders: 5 }, 'rung', { orders: 9 }, 'rung', { orders: 9 }, 'rung', { orders: 9 }])
  })
  it('is kept per topic, whatever the topic is called', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    await table().ring(task, { token: 'b', topic: 'app-KSTREAM-0001.re_part#1', target: 3 }, soon())
    await table().ring(task, bell('b', 2), soon())
    expect((await table().readTask(task, soon()))?.bells).toEqual({ 'app-KSTREAM-0001.re_part#1': 3, orders: 2 })
  })
}

function releaseFacts({ table, freshTask }: Fixture): void {
  it('writes the checkpoint and frees the lease', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const item = { checkpoint: at(1, 10), bells: {}, lease: undefined }
    expect(await table().release(task, { token: 'a', checkpoint: at(1, 10), sources }, soon())).toEqual({ released: true, item })
    expect(await table().readTask(task, soon())).toEqual(item)
  })
  it('frees the lease alone where there is nothing to checkpoint', async () => {
    const task = freshTask()
    await table().checkpoint(task, at(4, 40), soon())
    await table().acquire(task, lease('a'), soon())
    const item = { checkpoint: at(4, 40), bells: {}, lease: undefined }
    expect(await table().release(task, { token: 'a', checkpoint: undefined, sources }, soon())).toEqual({ released: true, item })
  })
  it('is refused while a bell above its position stands, and accepted once the position is there', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    await table().ring(task, { token: 'b', topic: 'orders', target: 11 }, soon())
    const item = { checkpoint: undefined, bells: { orders: 11 }, lease: held('a') }
    expect(await table().release(task, { token: 'a', checkpoint: at(1, 10), sources }, soon())).toEqual({ released: false, item })
    expect(await table().release(task, { token: 'a', checkpoint: undefined, sources }, soon())).toEqual({ released: false, item })
    const after = { checkpoint: at(2, 11), bells: { orders: 11 }, lease: undefined }
    expect(await table().release(task, { token: 'a', checkpoint: at(2, 11), sources }, soon())).toEqual({ released: true, item: after })
  })
  it('is refused by the lease of another', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const item = { checkpoint: undefined, bells: {}, lease: held('a') }
    expect(await table().release(task, { token: 'b', checkpoint: at(1, 10), sources }, soon())).toEqual({ released: false, item })
  })
  it('is refused by a higher seq, and accepted at the same one', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    await table().checkpoint(task, at(5, 50), soon())
    const item = { checkpoint: at(5, 50), bells: {}, lease: held('a') }
    expect(await table().release(task, { token: 'a', checkpoint: at(4, 40), sources }, soon())).toEqual({ released: false, item })
    const after = { ...item, lease: undefined }
    expect(await table().release(task, { token: 'a', checkpoint: at(5, 50), sources }, soon())).toEqual({ released: true, item: after })
  })
  it('counts as released when it is repeated, also after a newer checkpoint', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const release = { token: 'a', checkpoint: at(1, 10), sources }
    await table().release(task, release, soon())
    expect(await table().release(task, release, soon())).toEqual({
      released: true,
      item: { checkpoint: at(1, 10), bells: {}, lease: undefined },
    })
    await table().checkpoint(task, at(2, 20), soon())
    expect(await table().release(task, release, soon())).toEqual({
      released: true,
      item: { checkpoint: at(2, 20), bells: {}, lease: undefined },
    })
    const newer = { token: 'a', checkpoint: at(3, 30), sources }
    expect((await table().release(task, newer, soon())).released).toBe(false)
  })
  it('changes nothing where no task item is', async () => {
    const task = freshTask()
    expect(await table().release(task, { token: 'a', checkpoint: at(1, 1), sources }, soon())).toEqual({ released: false, item: undefined })
    expect(await table().readTask(task, soon())).toBeUndefined()
  })
}

function deferFacts({ table, freshTask }: Fixture): void {
  const defer = (seq: number, orders: number) => ({ token: 'a', checkpoint: at(seq, orders), sources, deferred: true })

  it('frees the lease, leaves the checkpoint as it is and remembers what is committed', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const first = { checkpoint: undefined, bells: {}, lease: undefined, deferredSeq: 3 }
    expect(await table().release(task, defer(3, 30), soon())).toEqual({ released: true, item: first })
    await table().checkpoint(task, at(4, 40), soon())
    await table().acquire(task, lease('a'), soon())
    const item = { checkpoint: at(4, 40), bells: {}, lease: undefined, deferredSeq: 5 }
    expect(await table().release(task, defer(5, 50), soon())).toEqual({ released: true, item })
    expect(await table().readTask(task, soon())).toEqual(item)
    expect(await table().acquire(task, lease('b'), soon())).toEqual({ won: true, item: { ...item, lease: held('b') } })
  })
  it('is refused while a bell above its position stands, by the lease of another and by a higher seq', async () => {
    const task = freshTask()
    await table().checkpoint(task, at(4, 40), soon())
    await table().acquire(task, lease('a'), soon())
    await table().ring(task, { token: 'b', topic: 'orders', target: 51 }, soon())
    const item = { checkpoint: at(4, 40), bells: { orders: 51 }, lease: held('a') }
    for (const refused of [defer(5, 50), defer(3, 51), { ...defer(5, 51), token: 'b' }])
      expect(await table().release(task, refused, soon())).toEqual({ released: false, item })
    expect((await table().release(task, defer(5, 51), soon())).released).toBe(true)
  })
  it('counts as released when it is repeated', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    await table().release(task, defer(3, 30), soon())
    const item = { checkpoint: undefined, bells: {}, lease: undefined, deferredSeq: 3 }
    expect(await table().release(task, defer(3, 30), soon())).toEqual({ released: true, item })
    expect((await table().release(task, { ...defer(3, 30), deferred: false }, soon())).released).toBe(false)
  })
}

function handoverFacts({ table, freshTask }: Fixture): void {
  it('frees the lease although a bell stands', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    await table().ring(task, { token: 'b', topic: 'orders', target: 11 }, soon())
    const item = { checkpoint: at(1, 10), bells: { orders: 11 }, lease: undefined }
    expect(await table().release(task, { token: 'a', checkpoint: at(1, 10), sources, handover: {} }, soon())).toEqual({
      released: true,
      item,
    })
  })
  it('leaves a bell for its own target, and never lowers one', async () => {
    for (const [rung, target, left] of [
      [undefined, 12, 12],
      [11, 12, 12],
      [12, 12, 12],
      [13, 12, 13],
    ] as const) {
      const task = freshTask()
      await table().acquire(task, lease('a'), soon())
      if (rung) await table().ring(task, { token: 'b', topic: 'orders', target: rung }, soon())
      const request = { token: 'a', checkpoint: at(1, 10), sources, handover: { bell: { topic: 'orders', target } } }
      const item = { checkpoint: at(1, 10), bells: { orders: left }, lease: undefined }
      expect(await table().release(task, request, soon())).toEqual({ released: true, item })
      expect(await table().release(task, request, soon())).toEqual({ released: true, item })
    }
  })
  it('leaves the checkpoint alone when it has none', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    const request = { token: 'a', checkpoint: undefined, sources, handover: { bell: { topic: 'orders', target: 12 } } }
    const item = { checkpoint: undefined, bells: { orders: 12 }, lease: undefined }
    expect(await table().release(task, request, soon())).toEqual({ released: true, item })
  })
  it('is refused by the lease of another and by a higher seq', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    await table().checkpoint(task, at(5, 50), soon())
    const item = { checkpoint: at(5, 50), bells: {}, lease: held('a') }
    const handover = { bell: { topic: 'orders', target: 60 } }
    expect(await table().release(task, { token: 'b', checkpoint: at(6, 51), sources, handover }, soon())).toEqual({ released: false, item })
    expect(await table().release(task, { token: 'a', checkpoint: at(4, 40), sources, handover }, soon())).toEqual({ released: false, item })
  })
}

function checkpointFacts({ table, freshTask }: Fixture): void {
  it('only ever rises, and leaves lease and bells alone', async () => {
    const task = freshTask()
    await table().acquire(task, lease('a'), soon())
    await table().ring(task, { token: 'b', topic: 'orders', target: 99 }, soon())
    const seen: unknown[] = []
    for (const checkpoint of [at(3, 30), at(2, 20), { ...at(3, 31), gen: 1 }, at(4, 40)]) {
      await table().checkpoint(task, checkpoint, soon())
      seen.push(await table().readTask(task, soon()))
    }
    const item = (checkpoint: Checkpoint) => ({ checkpoint, bells: { orders: 99 }, lease: held('a') })
    expect(seen).toEqual([item(at(3, 30)), item(at(3, 30)), item(at(3, 30)), item(at(4, 40))])
  })
  it('tells sizes of stores until one without them is written', async () => {
    const task = freshTask()
    const sizes = { counts: { rows: 2, bytes: 146 }, 'a.b-c_d': { rows: 0, bytes: 0, agedMs: 1_700_000_000_000 } }
    const seen: unknown[] = []
    for (const checkpoint of [{ ...at(1, 1), sizes }, { ...at(2, 2), sizes: {} }, at(3, 3), { ...at(4, 4), sizes }]) {
      await table().checkpoint(task, checkpoint, soon())
      seen.push((await table().readTask(task, soon()))?.checkpoint)
    }
    expect(seen).toEqual([{ ...at(1, 1), sizes }, { ...at(2, 2), sizes: {} }, at(3, 3), { ...at(4, 4), sizes }])
  })
  it('keeps the positions of topics that a newer one does not name', async () => {
    const task = freshTask()
    await table().checkpoint(task, { seq: 1, gen: 0, ends: { commits: 1 }, positions: { orders: 5, payments: 6 } }, soon())
    await table().checkpoint(task, { seq: 2, gen: 0, ends: { commits: 2 }, positions: { orders: 7 } }, soon())
    expect((await table().readTask(task, soon()))?.checkpoint).toEqual({
      seq: 2,
      gen: 0,
      ends: { commits: 2 },
      positions: { orders: 7, payments: 6 },
    })
  })
}

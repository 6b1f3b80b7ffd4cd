import { describe, expect, it } from 'vitest'
import { type Around, died, noting, type PortCall } from './faults.ts'
import { accumulate, accumulated, globalScene } from './global-scene.ts'
import { record } from './scene.ts'

describe('a task that reads a global store', () => {
  it('sees everything that its topic had when the invocation began, though nothing is materialised yet', async () => {
    const it = await globalScene()
    it.product('tea', 'Tea')
    it.product('milk', 'Milk', 1)
    it.order('tea', 'milk', 'none')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['Tea', 'Milk', 'null'])
  })

  it('takes what is materialised from the table, and the rest from the topic', async () => {
    const it = await globalScene()
    it.product('tea', 'Tea')
    it.product('milk', 'Milk')
    it.product('sugar', 'Sugar', 1)
    expect([await it.materialise(0), await it.materialise(1)]).toMatchObject([{ rowsWritten: 2 }, { rowsWritten: 1 }])
    it.product('tea', 'Green tea')
    it.product('milk', null)
    it.order('tea', 'milk', 'sugar')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['Green tea', 'null', 'Sugar'])
  })

  it('needs the topic no longer for what the materialiser has taken', async () => {
    const it = await globalScene()
    it.product('tea', 'Tea')
    await it.materialise()
    it.kafka.truncate({ topic: 'products', partition: 0, offset: 1 })
    it.order('tea')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['Tea'])
  })

  it('that goes on in a warm process asks for the end of the topic, and reads no more than is new', async () => {
    const it = await globalScene()
    const calls: PortCall[] = []
    const process = it.newProcess(noting(calls))
    it.product('tea', 'Tea')
    it.order('tea')
    await it.read(process)
    calls.length = 0
    it.order('tea')
    await it.read(process)
    expect(calls).toEqual(['bounds'])
    it.product('tea', 'Green tea')
    it.order('tea')
    calls.length = 0
    await it.read(process)
    expect(calls).toEqual(['bounds', 'fetch'])
    expect(await it.titles()).toEqual(['Tea', 'Tea', 'Green tea'])
  })

  it('that knew less than the topic still has begins with the rows again', async () => {
    const it = await globalScene()
    const process = it.newProcess()
    it.product('tea', 'Tea')
    it.order('tea')
    await it.read(process)
    it.product('milk', 'Milk')
    it.product('sugar', 'Sugar')
    await it.materialise()
    it.kafka.truncate({ topic: 'products', partition: 0, offset: 3 })
    it.order('tea', 'milk')
    await it.read(process)
    expect(await it.titles()).toEqual(['Tea', 'Tea', 'Milk'])
  })

  it('does not see what is not committed', async () => {
    const it = await globalScene()
    it.product('tea', 'Tea')
    const open = { transactionalId: 'somebody', transactionTimeoutMs: 1e9, deadlineMs: it.clock.nowMs }
    const session = await it.kafka.txnLog.open(open)
    await session.append([{ topic: 'products', partition: 0, records: [record('tea', 'Hidden')] }], it.clock.nowMs)
    it.order('tea')
    const process = it.newProcess()
    await it.read(process)
    await session.commit(it.clock.nowMs)
    it.order('tea')
    await it.read(process)
    expect(await it.titles()).toEqual(['Tea', 'Hidden'])
  })

  const calls: readonly PortCall[] = ['append', 'commit', 'put', 'release']
  it.each(calls)('sees every record once where the materialiser dies around its %s', async (call) => {
    for (const when of ['before', 'after'] as const) {
      const it = await globalScene()
      it.product('tea', 'Tea')
      await it.materialise()
      it.product('tea', 'Green tea')
      it.product('milk', 'Milk')
      let isDead = false
      const dying: Around = async (at, go) => {
        if (isDead) throw new Error(died)
        if (at !== call) return go()
        isDead = true
        if (when === 'after') await go()
        throw new Error(died)
      }
      await expect(it.materialise(0, dying)).rejects.toThrow(died)
      it.order('tea', 'milk')
      // its transaction may be open, which holds the commit topic back until it times out
      const reader = it.newProcess()
      await it.read(reader).catch(() => it.read(reader))
      expect(await it.titles()).toEqual(['Green tea', 'Milk'])
      it.clock.nowMs += 200_000
      await it.materialise()
      it.order('tea', 'milk')
      await it.read(it.newProcess())
      expect((await it.titles()).slice(2)).toEqual(['Green tea', 'Milk'])
    }
  })
})

it('a table that cannot be reached fails the invocation, and the next one goes on', async () => {
  const it = await globalScene()
  it.product('tea', 'Tea')
  it.order('tea')
  let fails = true
  const process = it.newProcess(async (call, go) => {
    if (fails && call === 'fetch') throw new Error(died)
    return go()
  })
  await expect(it.read(process)).rejects.toThrow(died)
  fails = false
  it.clock.nowMs += 100_000
  await it.read(process)
  expect(await it.titles()).toEqual(['Tea'])
})

describe('a store that a processor fills', () => {
  it('has every record once in every reader, materialised or not', async () => {
    const it = await globalScene(accumulated())
    const process = it.newProcess()
    it.product('tea', 'a')
    it.order('tea')
    await it.read(process)
    await it.materialise()
    it.product('tea', 'b')
    it.order('tea')
    await it.read(process)
    await it.materialise()
    it.product('tea', 'c')
    it.order('tea')
    await it.read(it.newProcess())
    expect(await it.titles()).toEqual(['a', 'ab', 'abc'])
    expect(await it.kafka.admin.describe(['app-products-changelog'], it.clock.nowMs)).toMatchObject([{ partitions: 2 }])
  })

  const calls: readonly PortCall[] = ['append', 'commit', 'put', 'release']
  it.each(calls)('has every record once where the materialiser dies around its %s', async (call) => {
    for (const when of ['before', 'after'] as const) {
      const it = await globalScene(accumulated())
      it.product('tea', 'a')
      await it.materialise()
      it.product('tea', 'b')
      it.product('milk', 'x')
      let isDead = false
      const dying: Around = async (at, go) => {
        if (isDead) throw new Error(died)
        if (at !== call) return go()
        isDead = true
        if (when === 'after') await go()
        throw new Error(died)
      }
      await expect(it.materialise(0, dying)).rejects.toThrow(died)
      it.order('tea', 'milk')
      const reader = it.newProcess()
      // a transaction that nobody ends holds it back until its time is out
      await it.read(reader).catch(() => {
        it.clock.nowMs += 200_000
        return it.read(reader)
      })
      it.clock.nowMs += 200_000
      await it.materialise()
      it.product('tea', 'c')
      it.order('tea', 'milk')
      await it.read(reader)
      it.order('tea', 'milk')
      await it.read(it.newProcess())
      expect(await it.titles()).toEqual(['ab', 'x', 'abc', 'x', 'abc', 'x'])
    }
  })

  it('cannot be written by a reader', async () => {
    const topology = accumulated()
    const supplier = accumulate
    topology.add({ kind: 'processor', name: 'writes', keepsKey: true, readsByKey: [], parents: ['orders'], stores: [], supplier })
    const it = await globalScene(topology)
    it.order('tea')
    await expect(it.read(it.newProcess())).rejects.toThrow('Global store "products" is read only')
  })
})

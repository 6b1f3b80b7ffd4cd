import type { InvocationPorts } from '../../src/runtime/invocation-request.ts'
import type { StateRow } from '../../src/state/backend.ts'

export type PortCall =
  | 'open'
  | 'append'
  | 'commit'
  | 'abort'
  | 'bounds'
  | 'fetch'
  | 'acquire'
  | 'ring'
  | 'release'
  | 'checkpoint'
  | 'put'
  | 'get'
  | 'query'
  | 'wipe'
  | 'admin'

/** Stands around every call of a port: may fail before it, fail after it (a lost answer), or let something else happen first. */
export type Around = <T>(call: PortCall, run: () => Promise<T>) => Promise<T>

export const aroundPorts = (ports: InvocationPorts, around: Around): InvocationPorts => {
  const { txnLog, reader, table } = ports
  return {
    ...ports,
    txnLog: {
      close: () => txnLog.close(),
      open: async (options) => {
        const session = await around('open', () => txnLog.open(options))
        return {
          append: (batches, deadlineMs) => around('append', () => session.append(batches, deadlineMs)),
          commit: (deadlineMs) => around('commit', () => session.commit(deadlineMs)),
          abort: (deadlineMs) => around('abort', () => session.abort(deadlineMs)),
          get dead() {
            return session.dead
          },
          get reusable() {
            return session.reusable
          },
          close: () => session.close(),
        }
      },
    },
    reader: {
      bounds: (...args) => around('bounds', () => reader.bounds(...args)),
      fetch: (...args) => around('fetch', () => reader.fetch(...args)),
      close: () => reader.close(),
    },
    table: {
      ...table,
      acquire: (...args) => around('acquire', () => table.acquire(...args)),
      ring: (...args) => around('ring', () => table.ring(...args)),
      release: (...args) => around('release', () => table.release(...args)),
      checkpoint: (...args) => around('checkpoint', () => table.checkpoint(...args)),
      // two requests, as a real table needs many: one may be done and the other not
      put: async (rows, deadlineMs) => {
        const half = Math.floor(rows.length / 2)
        if (half > 0) await around('put', () => table.put(rows.slice(0, half), deadlineMs))
        await around('put', () => table.put(rows.slice(half), deadlineMs))
      },
      get: (...args) => around('get', () => table.get(...args)),
      query: async function* (...args) {
        yield* await around('query', async () => {
          const pages: (readonly StateRow[])[] = []
          for await (const page of table.query(...args)) pages.push(page)
          return pages
        })
      },
    },
  }
}

/** What the caller of a dead process sees. */
export const died = 'the process has died'

/** The process dies before, or right after, the nth call of this kind: nothing that it asks for happens any more. */
export const dies = (when: 'before' | 'after', call: PortCall, nth = 1): Around => {
  let seen = 0
  let dead = false
  return async (at, run) => {
    if (!dead && at === call && ++seen === nth) {
      if (when === 'after') await run()
      dead = true
    }
    if (dead) throw new Error(died)
    return run()
  }
}

/** Every call of this kind fails from the nth on: not sent, or with `after` done but not answered. */
export const fails = (call: PortCall, error: () => unknown, { nth = 1, times = Number.POSITIVE_INFINITY, after = false } = {}): Around => {
  let seen = 0
  return async (at, run) => {
    if (at !== call || ++seen < nth || seen >= nth + times) return run()
    if (after) await run()
    throw error()
  }
}

/** Something else happens right before (or after) the nth call of this kind. */
export const meanwhile = (call: PortCall, action: () => Promise<unknown>, { nth = 1, after = false } = {}): Around => {
  let seen = 0
  return async (at, run) => {
    const now = at === call && ++seen === nth
    if (now && !after) await action()
    const answer = await run()
    if (now && after) await action()
    return answer
  }
}

/** Writes down the calls in their order. */
export const noting = (calls: PortCall[]): Around => {
  return (call, run) => {
    calls.push(call)
    return run()
  }
}

/** Writes down the calls by rounds: those of one round were asked before any of them was answered. */
export const inRounds = (rounds: PortCall[][]): Around => {
  let open: { readonly calls: PortCall[]; readonly over: Promise<void> } | undefined
  return async (call, run) => {
    if (!open) {
      const calls: PortCall[] = []
      rounds.push(calls)
      const over = new Promise<void>((resolve) => {
        setImmediate(() => {
          open = undefined
          calls.sort()
          resolve()
        })
      })
      open = { calls, over }
    }
    open.calls.push(call)
    await open.over
    return run()
  }
}

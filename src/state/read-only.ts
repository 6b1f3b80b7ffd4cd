import { StreamsError } from '../errors.ts'
import type { StateStore } from '../processor/store.ts'

/** A store that may not be there yet. */
export interface StoreSource<S> {
  readonly now: () => S | undefined
  /** Brings it here; only called where it is not. */
  readonly later: () => Promise<S>
}

const writes: ReadonlySet<string | symbol> = new Set(['put', 'putIfAbsent', 'putAll', 'delete', 'remove'])

/**
 * A store for those who may only read it: what would write throws PROCESSING_FAILED. A read is as synchronous as the store's own, unless
 * the store is not there yet: then it waits for it.
 */
export const readOnly = <S extends StateStore>(name: string, source: StoreSource<S>): S => proxyOf(name, source)

const proxyOf = <T extends object>(name: string, { now, later }: StoreSource<T>): T => {
  const members = new Map<string | symbol, unknown>()
  const memberOf = (member: string | symbol): unknown => {
    if (writes.has(member)) return () => refuse(name)
    if (member === 'cacheable') {
      const inner = (store: object): object => Reflect.get(store, member)
      const here = (): object | undefined => {
        const store = now()
        return store && inner(store)
      }
      return proxyOf(name, { now: here, later: () => later().then(inner) })
    }
    return (...given: readonly unknown[]): unknown => {
      const store = now()
      return store ? call(store, member, given) : later().then((it) => call(it, member, given))
    }
  }
  return new Proxy({} as T, {
    get: (_, member) => {
      if (member === 'name') return name
      // or somebody who awaits the store would call it
      if (member === 'then') return undefined
      const known = members.get(member) ?? memberOf(member)
      members.set(member, known)
      return known
    },
  })
}

const call = (store: object, member: string | symbol, given: readonly unknown[]): unknown =>
  Reflect.apply(Reflect.get(store, member), store, given)

const refuse = (name: string): never => {
  throw new StreamsError('PROCESSING_FAILED', `Global store "${name}" is read only: only its own topic changes it`, {
    remedy: 'Write to the topic of the global store.',
  })
}

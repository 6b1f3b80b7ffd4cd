import { StreamsError } from '../errors.ts'
import type { StateStore } from '../processor/store.ts'

const writes: ReadonlySet<string | symbol> = new Set(['put', 'putIfAbsent', 'putAll', 'delete', 'remove'])

/** The store for those who may only read it: what would write throws PROCESSING_FAILED. */
export const readOnly = <S extends StateStore>(store: S): S =>
  new Proxy(store, {
    get: (target, name) => {
      if (writes.has(name)) {
        return () => {
          throw new StreamsError('PROCESSING_FAILED', `Global store "${target.name}" is read only: only its own topic changes it`, {
            remedy: 'Write to the topic of the global store.',
          })
        }
      }
      // on the target itself: its private fields are not the proxy's
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

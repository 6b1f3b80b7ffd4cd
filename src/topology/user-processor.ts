import { StreamsError } from '../errors.ts'
import type { AnyProcessorSupplier } from '../processor/processor.ts'
import type { ProcessorNode } from './nodes.ts'

/** The node of a processor that a user wrote: nobody knows which rows it reads. */
export const userProcessor = ({
  name,
  parents,
  supplier,
  stores,
  keepsKey,
}: Pick<ProcessorNode, 'name' | 'parents' | 'supplier' | 'stores' | 'keepsKey'>): ProcessorNode => ({
  kind: 'processor',
  name,
  parents,
  supplier,
  stores: [...new Set(stores)],
  keepsKey,
  readsByKey: [],
  mayPunctuate: true,
})

/** The node of a processor that fills a global store: it has no children, and no time but that of its topic. */
export const globalProcessor = (
  name: string,
  source: string,
  { supplier, store }: { readonly supplier: AnyProcessorSupplier; readonly store: string },
): ProcessorNode => ({ ...userProcessor({ name, parents: [source], supplier, stores: [store], keepsKey: true }), mayPunctuate: false })

/** A supplier gives a new processor each time (P-05): tasks must not share one. Throws TOPOLOGY_INVALID. */
export const checkSupplier = (name: string, supplier: AnyProcessorSupplier | (() => object)): void => {
  const [one, other] = [supplier(), supplier()]
  if (one !== other) return
  throw new StreamsError('TOPOLOGY_INVALID', `The supplier of ${name} gives the same processor twice: each task needs its own`, {
    remedy: 'Create the processor inside of the supplier.',
  })
}

import type { Awaitable } from '../awaitable.ts'
import type { AnyProcessorSupplier, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'

/** What every stateless verb says of itself: shared code reads these facts and never asks which verb it is. */
export interface Operator {
  /** Begin of generated names (S-30). */
  readonly prefix: string
  /** Downstream keys may differ: a key-based verb below needs a repartition. */
  readonly changesKey: boolean
  /** Downstream values may differ: a repartition below cannot move above it. */
  readonly changesValue: boolean
  /** Joins several streams: a repartition below cannot move above it. */
  readonly merges?: boolean
  readonly supplier: AnyProcessorSupplier
}

type Step<KIn, VIn, KOut, VOut> = (record: Record<KIn, VIn>, context: ProcessorContext<KOut, VOut>) => Awaitable<void>

/** A processor that keeps nothing between records. */
export const stateless =
  <KIn, VIn, KOut, VOut>(step: Step<KIn, VIn, KOut, VOut>): AnyProcessorSupplier =>
  () => {
    let context: ProcessorContext<KOut, VOut>
    return {
      init: (given: ProcessorContext<KOut, VOut>) => {
        context = given
      },
      process: (record: Record<KIn, VIn>) => step(record, context),
    }
  }

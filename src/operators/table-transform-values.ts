import { type Awaitable, andThen } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { ConnectedStores, ProcessingContext, ProcessorContext } from '../processor/processor.ts'
import type { TableOperator } from './table-operator.ts'
import { withForward } from './with-forward.ts'

/** Computes the values of a table, with stores if it needs them (Kafka's `ValueTransformerWithKey`). One object per node and task. */
export interface ValueTransformer<K, V, VR> {
  init?(context: ProcessingContext): void
  /** Also called for a deletion, with null; null as its answer deletes. */
  transform(key: K, value: V | null): Awaitable<VR | null>
  close?(): void
}

/** Gives a new transformer at every call; it may bring the stores of its transformers. */
export type ValueTransformerSupplier<K, V, VR> = (() => ValueTransformer<K, V, VR>) & ConnectedStores

/**
 * A table with the same keys and values that a transformer computes (`KTableTransformValues`, D-52), also for deletions. Without
 * a store the rows are computed again for every look-up, by a transformer of its own; where changes tell the row before, that is
 * computed as well. A transformer cannot forward. Unlike in Java the stores that a supplier brings are connected (4.3.0 forgets them).
 *
 * @example
 * ```ts
 * import { Serdes, StreamsBuilder } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * builder
 *   .table('names', strings)
 *   .transformValues(() => ({ transform: (id, name) => `${id}: ${name ?? 'gone'}` }))
 *   .toStream()
 *   .to('states', strings)
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const names = driver.createInputTopic('names', strings)
 * await names.pipeInput('1', 'ann')
 * await names.pipeInput('1', null)
 * driver.createOutputTopic('states', strings).readRecords().map((it) => it.value) // => ['1: ann', '1: gone']
 * ```
 */
export const tableTransformValues = <K, V, VR>(
  name: () => string,
  supplier: () => ValueTransformer<K, V, VR>,
  stores: readonly string[],
): TableOperator<K, V, VR> => ({
  prefix: 'KTABLE-TRANSFORMVALUES-',
  open: (context) => {
    const transformer = supplier()
    transformer.init?.(
      withForward(context as ProcessorContext<never, never>, () => {
        throw new StreamsError('PROCESSING_FAILED', `Node ${name()} forwards from transformValues, which cannot: it answers with the value`)
      }),
    )
    return {
      compute: (key, value) => andThen(transformer.transform(key, value), (transformed) => transformed ?? null),
      close: () => transformer.close?.(),
    }
  },
  stores,
  numbersUnnamed: false,
  skipsNothing: false,
  mayPunctuate: true,
})

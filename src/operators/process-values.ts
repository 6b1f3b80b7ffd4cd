import type { Awaitable } from '../awaitable.ts'
import { StreamsError } from '../errors.ts'
import type { AnyProcessorSupplier, FixedKeyProcessor, FixedKeyProcessorContext, ProcessorContext } from '../processor/processor.ts'
import type { Record } from '../processor/record.ts'
import { withForward } from './with-forward.ts'

export const processValuesPrefix = 'KSTREAM-PROCESSVALUES-'

/**
 * Runs a user's processor that cannot change keys (Kafka's `processValues`, D-26): no repartition is needed below it. It may
 * forward while it processes a record, and only under that record's key; while it punctuates there is no key to forward under.
 *
 * @example
 * ```ts
 * import { type FixedKeyProcessorContext, Serdes, StreamsBuilder } from 'millrace'
 * import { TopologyTestDriver } from 'millrace/testing'
 *
 * const strings = { keySerde: Serdes.string, valueSerde: Serdes.string }
 * const builder = new StreamsBuilder()
 * builder
 *   .stream('lines', strings)
 *   .processValues(() => {
 *     let context: FixedKeyProcessorContext<string, string>
 *     return {
 *       init: (given) => {
 *         context = given
 *       },
 *       process: (record) => context.forward({ ...record, value: `${context.recordMetadata?.offset}: ${record.value}` }),
 *     }
 *   })
 *   .to('numbered', strings)
 *
 * await using driver = new TopologyTestDriver(builder.build())
 * const lines = driver.createInputTopic('lines', strings)
 * await lines.pipeInput('a', 'first')
 * await lines.pipeInput('a', 'second')
 * driver.createOutputTopic('numbered', strings).readRecords().map((it) => it.value) // => ['0: first', '1: second']
 * ```
 */
export const processValues =
  <K, VIn, VOut>(name: string, supplier: () => FixedKeyProcessor<K, VIn, VOut>): AnyProcessorSupplier =>
  () => {
    const processor = supplier()
    let processed: Record<K, VIn> | undefined
    return {
      init: (context: ProcessorContext<K, VOut>) => processor.init?.(fixedKey(name, context, () => processed)),
      process: (record: Record<K, VIn>) => {
        processed = record
        const pending = processor.process(record)
        if (pending instanceof Promise) {
          return pending.finally(() => {
            processed = undefined
          })
        }
        processed = undefined
      },
      close: () => processor.close?.(),
    }
  }

const fixedKey = <K, VOut>(
  name: string,
  context: ProcessorContext<K, VOut>,
  processed: () => Record<K, unknown> | undefined,
): FixedKeyProcessorContext<K, VOut> =>
  withForward(context, (record, child): Awaitable<void> => {
    const current = processed()
    if (current && record.key === current.key) return context.forward(record, child)
    const why = current ? 'another key than the one it got' : 'no record whose key it could keep'
    throw new StreamsError('PROCESSING_FAILED', `Node ${name} forwards with ${why}`, {
      remedy: 'Use process instead of processValues where keys change or punctuators forward.',
    })
  })

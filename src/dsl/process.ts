import { processValues, processValuesPrefix } from '../operators/process-values.ts'
import { tableTransformValues, type ValueTransformerSupplier } from '../operators/table-transform-values.ts'
import type { ConnectedStores, FixedKeyProcessorSupplier, ProcessorSupplier } from '../processor/processor.ts'
import { logicalNode } from '../topology/logical.ts'
import { checkName } from '../topology/naming.ts'
import type { ProcessorNode, StoreSpec } from '../topology/nodes.ts'
import { specOf } from '../topology/stores.ts'
import { checkSupplier, userProcessor } from '../topology/user-processor.ts'
import { deriveTable } from './derive-table.ts'
import type { Place } from './drawing.ts'
import type { TablePlace } from './materialize.ts'
import type { Aggregated, ConnectedTo, Named } from './options.ts'

export type { ValueTransformer, ValueTransformerSupplier } from '../operators/table-transform-values.ts'

const processPrefix = 'KSTREAM-PROCESSOR-'

const ownStoresOf = ({ stores = [] }: ConnectedStores): readonly StoreSpec[] => stores.map(specOf)

interface Drawn extends ConnectedTo {
  readonly supplier: ProcessorNode['supplier']
  readonly ownStores: readonly StoreSpec[]
  readonly keepsKey: boolean
}

/** Draws one node of a user's. It says nothing of what it does to keys and values to the optimiser, as in Java without KAFKA-19668. */
const drawUserProcessor = (
  { drawing, node }: Place<unknown, unknown>,
  name: string,
  { supplier, ownStores, keepsKey, stores = [] }: Drawn,
) =>
  drawing.graph.add(
    node,
    logicalNode({
      name,
      stores: ownStores,
      nodes: [userProcessor({ name, parents: [], supplier, keepsKey, stores: [...stores, ...ownStores.map((store) => store.name)] })],
    }),
  )

/** A given name takes no number. */
const nameOf = ({ drawing }: Place<unknown, unknown>, prefix: string, { name }: Named): string =>
  name === undefined ? drawing.names.processor(prefix) : checkName(name)

export const drawProcess = <K, V, KR, VR>(
  place: Place<K, V>,
  supplier: ProcessorSupplier<K, V, KR, VR>,
  options: Named & ConnectedTo,
): Place<KR, VR> => {
  const name = nameOf(place, processPrefix, options)
  checkSupplier(name, supplier)
  const node = drawUserProcessor(place, name, { ...options, supplier, ownStores: ownStoresOf(supplier), keepsKey: false })
  return { drawing: place.drawing, node, keySerde: undefined, valueSerde: undefined, repartition: true }
}

export const drawProcessValues = <K, V, VR>(
  place: Place<K, V>,
  supplier: FixedKeyProcessorSupplier<K, V, VR>,
  options: Named & ConnectedTo,
): Place<K, VR> => {
  const name = nameOf(place, processValuesPrefix, options)
  checkSupplier(name, supplier)
  const fixed = processValues(name, supplier)
  const node = drawUserProcessor(place, name, { ...options, supplier: fixed, ownStores: ownStoresOf(supplier), keepsKey: true })
  return { ...place, node, valueSerde: undefined }
}

/** Draws the table whose values a transformer computes (D-52). */
export const transformTable = <K, V, VR>(
  place: TablePlace<K, V>,
  supplier: ValueTransformerSupplier<K, V, VR>,
  { stores, options }: { readonly stores: readonly string[]; readonly options: Aggregated<K, VR> },
): TablePlace<K, VR> => {
  checkSupplier(options.name ?? 'transformValues', supplier)
  const ownStores = ownStoresOf(supplier)
  let name = options.name ?? ''
  const operator = tableTransformValues(() => name, supplier, [...stores, ...ownStores.map((store) => store.name)])
  const table = deriveTable(place, operator, { options, inherited: undefined, ownStores })
  name = table.node.spec.name
  return table
}

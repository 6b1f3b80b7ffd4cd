import type { ProcessorSupplier, Topology } from 'millrace'
import { consumedOf, partitionerOf, topicExtractorOf } from './options.ts'
import { type ProcessorScene, processorOf } from './processors.ts'
import type { Step, StepArgs } from './scenario.ts'
import { serdeOf } from './serdes.ts'
import { storeOf } from './stores.ts'

type Draw = (topology: Topology, args: StepArgs, scene: ProcessorScene) => unknown

const serdesOf = ({ key, value }: StepArgs) => ({
  ...(key === undefined ? {} : { keySerde: serdeOf(key) }),
  ...(value === undefined ? {} : { valueSerde: serdeOf(value) }),
})

const sourceOf = ({ key, value, reset, timestampExtractor }: StepArgs) =>
  consumedOf({
    ...(key === undefined ? {} : { key }),
    ...(value === undefined ? {} : { value }),
    ...(reset === undefined ? {} : { reset }),
    ...(timestampExtractor === undefined ? {} : { timestampExtractor }),
  })

const supplierOf = ({ processor }: StepArgs, scene: ProcessorScene) => processorOf(processor ?? { proc: 'forward' }, scene)

const storeIn = ({ store }: StepArgs) => {
  if (!store) throw new Error('the step has no store')
  return storeOf(store)
}

/** Processor API steps (README section 6). */
export const topologySteps: Readonly<Record<string, Draw>> = {
  addSource: (topology, { name = '', topics = [], pattern, ...args }) =>
    topology.addSource(name, pattern === undefined ? topics : new RegExp(pattern), sourceOf(args)),
  addProcessor: (topology, { name = '', parents = [], ...args }, scene) => topology.addProcessor(name, supplierOf(args, scene), parents),
  addSink: (topology, { name = '', topic = '', extractor, partitioner, parents = [], ...args }) =>
    topology.addSink(name, extractor ? topicExtractorOf(extractor) : topic, {
      parents,
      ...serdesOf(args),
      ...(partitioner === undefined ? {} : { partitioner: partitionerOf(partitioner) }),
    }),
  addStateStore: (topology, { processors = [], ...args }) => topology.addStateStore(storeIn(args), processors),
  connect: (topology, { name = '', stores = [] }) => topology.connectProcessorAndStateStores(name, stores),
  addGlobalStore: (topology, { name = '', topic = '', processorName = '', ...args }, scene) =>
    topology.addGlobalStore(
      storeIn(args),
      { source: name, topic, processor: processorName, ...sourceOf(args) },
      supplierOf(args, scene) as ProcessorSupplier<unknown, unknown, never, never>,
    ),
  addReadOnlyStateStore: (topology, { name = '', topic = '', processorName = '', ...args }, scene) =>
    topology.addReadOnlyStateStore(
      storeIn(args),
      { source: name, topic, processor: processorName, ...sourceOf(args) },
      supplierOf(args, scene),
    ),
}

/** Draws the steps in order. Throws what the topology throws. */
export const drawTopology = (topology: Topology, steps: readonly Step[], scene: ProcessorScene): void => {
  for (const { op, args = {} } of steps) {
    const draw = topologySteps[op]
    if (!draw) throw new Error(`${op} is not a step of a topology`)
    draw(topology, args, scene)
  }
}

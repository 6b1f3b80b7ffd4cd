export type { ProducedRecord } from './produced-topic.ts'
export type { PipedRecord } from './test-cluster.ts'
export {
  type InputTopicOptions,
  type TestInput,
  TestInputTopic,
  TestOutputTopic,
  type TestRecord,
  type TestTopicSerdes,
} from './test-topics.ts'
export { type TestDriverOptions, TopologyTestDriver } from './topology-test-driver.ts'

export { TestInputTopic, TestOutputTopic, type TestRecord } from './test-topics.ts'
export { type TestDriverOptions, TopologyTestDriver } from './topology-test-driver.ts'

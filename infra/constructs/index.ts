export type { AlarmOptions } from './alarms.ts'
export type { EventSourceOptions, Pollers } from './event-source-options.ts'
export type { FunctionOptions, PerSubTopology } from './function-options.ts'
export type { CreateTopics, TopicOptions } from './internal-topics.ts'
export {
  iam,
  type KafkaAddress,
  type KafkaAuth,
  KafkaCluster,
  type KafkaNetwork,
  none,
  plain,
  scram,
  tls,
} from './kafka-cluster.ts'
export type { StateTableOptions } from './state-table.ts'
export { StreamsApp, type StreamsAppProps } from './streams-app.ts'
export type { TaskFunction } from './task-function.ts'

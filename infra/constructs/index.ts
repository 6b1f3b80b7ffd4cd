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
export { StreamsApp, type StreamsAppProps } from './streams-app.ts'
export type { TaskFunction } from './task-function.ts'
